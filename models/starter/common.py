"""What the starter is trained on: photographs of DUTS, DUTS pasted into scenes, COCO, BSDS500 and
CCP; and how variants of it are compared.
"""

from __future__ import annotations

from collections.abc import Sequence

from shared import Parts, pair

from isegm.core.registry import Spec, spec
from isegm.data.augment import around_object
from isegm.data.mix import Joined, Mix, Part
from isegm.data.pasted import PastedScenes
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.bsds import bsds_images
from isegm.data.sources.clothing import clothing_images
from isegm.data.sources.coco import coco_images
from isegm.data.sources.duts import duts_images
from isegm.training.experiment import Experiment, Training
from isegm.training.optimisation import Adam
from isegm.training.users.iterative import Iterative


def starter(crop: Sequence[int], epoch_len: int = 8000) -> Parts:
    """Each image is drawn from a part by its share; held-out images are of COCO."""
    salient = spec(Joined, sources=[spec(duts_images, part="TR"), spec(duts_images, part="TE")])
    shares = (
        (salient, 0.42),
        (spec(PastedScenes, source=salient), 0.20),
        (spec(coco_images, split="train2017"), 0.14),
        (spec(coco_images, split="val2017", folder="COCO_PERSONS_PATH"), 0.06),
        (spec(bsds_images), 0.11),
        (spec(clothing_images), 0.07),
    )
    mix = spec(Mix, parts=[spec(Part, source=source, share=share) for source, share in shares])
    # With fewer clicks to begin with (at most 8, gamma 0.5) the first answers are as good, but the
    # later ones stop improving: after 1,000 steps 9 of GrabCut's 50 objects never reached 90 %.
    clicks = spec(MultiPoint, max_clicks=12, gamma=0.75, merge_prob=0.1, first_click_center=True)
    views = {"augment": spec(around_object, crop=crop), "min_object_area": 300}
    train = {**views, "epoch_len": epoch_len, "keep_background": 0.05}
    return pair(mix, spec(coco_images, split="val2017"), clicks, train, {**views, "epoch_len": 80})


def short(model: Spec, pretrained: str = "EFFICIENTNET_LITE0") -> Experiment:
    """The training on which variants of the network are compared: crops of 224, a constant rate.

    Args:
        pretrained: the encoder's ImageNet weights; see ``Training``.
    """
    return Experiment(
        model=model,
        **starter(crop=(224, 224), epoch_len=2000),
        user=spec(Iterative, max_rounds=3),
        train=Training(
            epochs=2,
            max_steps=400,
            batch_size=8,
            optimizer=spec(Adam, lr=1e-3),
            clip=5.0,
            ema=0.99,
            channels_last=True,
            workers=1,
            pretrained=pretrained,
            checkpoint_interval=1,
            checkpoint_minutes=3.0,
        ),
    )
