"""A small FocalClick on synthetic scenes, in minutes on two CPU cores and without any file.

Paper:  arXiv 2204.02574 (the method; network, data and schedule are not the paper's)
Run:    python train.py models/focalclick/tiny_synthetic.py --cpu --ngpus 2
Check:  python scripts/evaluate_model.py NoBRS --checkpoint <run folder>/model.safetensors
        --datasets synthetic --infer-size 128
Cost:   800 steps, 14 minutes on one thread of a busy CPU
Result: focalclick v1 (zoom.size=[128, 128]), the first 30 objects of synthetic: NoC@85 4.60
        (untrained 20.00), NoC@90 5.97

It is trained on crops of 128 x 128, a quarter of the published cost, and must be evaluated on views
of that size.
"""

from __future__ import annotations

from shared import pair

from isegm.core.registry import spec
from isegm.data.augment import aligned
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sampling.regions import LargeRegions
from isegm.data.sources.synthetic import SyntheticSource
from isegm.methods.focalclick import focalclick_segformer
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam, MultiStep
from isegm.training.users.iterative import Iterative

# Few sampled clicks, the first in the middle of the object: the user adds the corrections, as at
# test time.
SAMPLED = spec(MultiPoint, max_clicks=4, gamma=0.5, merge_prob=0.15, first_click_center=True)
CLICKS = spec(LargeRegions, sampler=SAMPLED, min_region=200, min_area=200, max_share=0.85)
VIEWS = {"augment": spec(aligned, crop=(128, 128)), "min_object_area": 200}
TRAIN, VAL = (spec(SyntheticSource, size=(128, 128), length=length) for length in (1600, 64))
SCHEDULE = spec(MultiStep, at=(6, 7))
EXPERIMENT = Experiment(
    model=focalclick_segformer("tiny", pipeline="s2", width=64, lr={}),
    **pair(
        TRAIN,
        VAL,
        SAMPLED,
        {**VIEWS, "epoch_len": 1600, "sampler": CLICKS},
        {**VIEWS, "epoch_len": 64},
    ),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=8,
        batch_size=16,
        optimizer=spec(Adam, lr=1e-3),
        schedule=SCHEDULE,
        ema=0.99,
        amp="auto",
    ),
)
