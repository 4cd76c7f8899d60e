"""ClickSEG's light baseline with PP-LCNet, fine-tuned from pplcnet_comb.py without corrections and
with a click loss.

Paper:  the code of arXiv 2204.02574, which says no numbers for it
Needs:  the data sets of shared.comb; leave one out with --set data.source.parts.N=null (N from 0)
Run:    python train.py models/clickseg_baseline/pplcnet_comb_noiter.py --gpus 0,1 --weights
        pplcnet_comb.safetensors
Cost:   not run here
Result: not run here

Its clicks are all sampled, so the network never sees a previous mask in this training. More of them
than in the other recipes, anywhere on the object, and what lies under them counts a hundred times:
the answer is to agree with every click.
"""

from __future__ import annotations

from common import comb

from isegm.core.registry import spec
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

EXPERIMENT = Experiment(
    model=clickseg_baseline("pplcnet", click_loss=1.0),
    **comb(gamma=0.9, first_click_center=False),
    user=spec(Iterative, max_rounds=0),
    train=Training(
        epochs=230,
        batch_size=32,
        optimizer=spec(Adam, lr=5e-2),
        schedule=spec(MultiStep, at=(190, 210)),
    ),
)
