"""The starter on slices of MRI volumes of the hippocampus: fine-tuned, or from scratch for as long.

Paper:  none; see docs/how-to/finetune.md
Run:    python train.py models/starter/finetune_hippocampus.py --cpu --ngpus 2 --weights starter
Cost:   see docs/how-to/finetune.md
Result: see docs/how-to/finetune.md

Without --weights the same network begins with random weights.
"""

from __future__ import annotations

from isegm.core.registry import spec
from isegm.data.augment import around_object
from isegm.data.dataset import ClickDataset
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.folder import folder_images
from isegm.originals.loading import spec_of
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam
from isegm.training.users.iterative import Iterative

PLACES = {
    "image_dir": "slices/hippocampus_train/images",
    "mask_dir": "slices/hippocampus_train/masks",
}

EXPERIMENT = Experiment(
    model=spec_of("starter"),
    data=spec(
        ClickDataset,
        source=spec(folder_images, **PLACES),
        sampler=spec(MultiPoint, max_clicks=8, gamma=0.5, merge_prob=0.15, first_click_center=True),
        augment=spec(around_object, crop=(256, 256)),
        epoch_len=2400,
        min_object_area=80,
    ),
    user=spec(Iterative, max_rounds=3),
    train=Training(
        epochs=1,
        batch_size=8,
        optimizer=spec(Adam, lr=5e-4),
        clip=5.0,
        ema=0.98,
        channels_last=True,
        workers=1,
        image_every=100,
    ),
)
