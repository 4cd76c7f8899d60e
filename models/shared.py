"""Training data that recipes of several papers share. Each function gives ``data`` and ``val`` of
an ``Experiment``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from isegm.core.registry import Spec, spec
from isegm.data.augment import cropped, enlarged
from isegm.data.dataset import ClickDataset
from isegm.data.mix import Joined, Mix, Part
from isegm.data.sample_scores import SampleScores
from isegm.data.sampling.multi_point import MultiPoint
from isegm.data.sources.ade20k import ade20k_images
from isegm.data.sources.coco_lvis import coco_lvis_images
from isegm.data.sources.duts import duts_images
from isegm.data.sources.hflickr import hflickr_images
from isegm.data.sources.msra10k import msra10k_images
from isegm.data.sources.sbd import sbd_images
from isegm.data.sources.synthetic import SyntheticSource
from isegm.data.sources.thin_object import thin_object_images
from isegm.data.sources.youtube_vos import youtube_vos_videos

Parts = dict[str, Spec]
# Easy images of SBD are drawn rarely; the file was published with f-BRS and RITM.
SBD_SCORES = spec(SampleScores, file="sbd_samples_weights.pkl", folder="SBD_PATH", gamma=1.25)
SBD_VAL_SCALE = (0.75, 1.25)


def pair(
    train: Spec, held_out: Spec, clicks: Spec, data: dict[str, Any], val: dict[str, Any]
) -> Parts:
    """Training items from one source, held-out items from another; without an ``augment`` these are
    cropped like the others.

    Args:
        clicks: the sampler of both, unless ``data`` or ``val`` say otherwise.
        data, val: further arguments of ``ClickDataset``.
    """
    val = {"min_object_area": data["min_object_area"], **val}
    if "augment" not in val:
        val["augment"] = spec(cropped, crop=data["augment"]["args"]["crop"])
    return {
        "data": spec(ClickDataset, **{"source": train, "sampler": clicks, **data}),
        "val": spec(ClickDataset, **{"source": held_out, "sampler": clicks, **val, "seed": 1}),
    }


def cocolvis(clicks: Spec, augment: Spec, stuff_prob: float, **settings: Any) -> Parts:
    """COCO+LVIS, 30,000 random images per epoch."""
    data = {
        "augment": augment,
        "epoch_len": 30_000,
        "min_object_area": 1000,
        "keep_background": 0.05,
        **settings,
    }
    source = spec(coco_lvis_images, split="train", stuff_prob=stuff_prob)
    return pair(source, spec(coco_lvis_images, split="val"), clicks, data, {"epoch_len": 2000})


def sbd(clicks: Spec, augment: Spec, val: dict[str, Any], **settings: Any) -> Parts:
    """SBD, as many draws by score per epoch as there are images."""
    data = {"augment": augment, "min_object_area": 80, "scores": SBD_SCORES, **settings}
    return pair(spec(sbd_images, split="train"), spec(sbd_images, split="val"), clicks, data, val)


def comb(clicks: Spec, augment: Spec, stuff_prob: float = 0.10, **settings: Any) -> Parts:
    """COCO+LVIS mixed with sets of finer masks: the "comb" data of FocalClick's code; held-out
    images are of COCO+LVIS.

    Without a set, ``--set data.source.parts.N=null`` leaves part N out, counted from 0.
    """
    saliency = [spec(msra10k_images), spec(duts_images, part="TR"), spec(duts_images, part="TE")]
    shares = (
        (spec(coco_lvis_images, split="train", stuff_prob=stuff_prob), 0.35),
        (spec(Joined, sources=saliency), 0.10),
        (spec(thin_object_images), 0.10),
        (spec(youtube_vos_videos), 0.20),
        (spec(hflickr_images), 0.10),
        (spec(ade20k_images), 0.15),
    )
    mix = spec(Mix, parts=[spec(Part, source=source, share=share) for source, share in shares])
    return cocolvis(clicks, augment, stuff_prob, source=mix, **settings)


def small_scenes(
    crop: Sequence[int] = (192, 192), max_clicks: int = 12, gamma: float = 0.8
) -> Parts:
    """Of the small networks, models/*/tiny_synthetic.py, that are compared with one another.

    The first click falls in the middle of the object, and few others are sampled: the simulated
    user adds corrections, as at test time.
    """
    clicks = spec(
        MultiPoint, max_clicks=max_clicks, gamma=gamma, merge_prob=0.15, first_click_center=True
    )
    views = {"augment": spec(enlarged, crop=crop), "min_object_area": 600}
    scenes = [spec(SyntheticSource, size=crop, length=length) for length in (800, 64)]
    return pair(*scenes, clicks, {**views, "epoch_len": 800}, {**views, "epoch_len": 64})
