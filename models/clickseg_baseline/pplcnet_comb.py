"""ClickSEG's light baseline with PP-LCNet on COCO+LVIS mixed with sets of finer masks, three
simulated corrections.

Paper:  the code of arXiv 2204.02574, which says NoC@90 1.66 (GrabCut), 1.99 (Berkeley), 6.74 (SBD),
        5.34 (DAVIS)
Needs:  the data sets of shared.comb; leave one out with --set data.source.parts.N=null (N from 0)
Run:    python train.py models/clickseg_baseline/pplcnet_comb.py --gpus 0,1
Cost:   not run here
Result: not run here
"""

from __future__ import annotations

from common import comb

from isegm.core.registry import spec
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=clickseg_baseline("pplcnet"),
    **comb(),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-2),
        schedule=spec(MultiStep, at=(190, 210)),
        pretrained="PPLCNET_X1",
    ),
)
