"""Training data as published recipes put it together: one function per recipe, all answering with ``TrainingData``.

Every recipe takes the fields of ``DataConfig`` as keywords, and ``--set data.<field>=<value>`` changes them once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from easydict import EasyDict

from isegm.core.errors import IsegmError, unknown
from isegm.data.augment import pipeline
from isegm.data.cache import cache_folder
from isegm.data.dataset import ClickDataset, ItemSettings, Source, TrainingData
from isegm.data.datasets import pascal_sbd as augmented_pascal
from isegm.data.datasets.ade20k import ADE20K
from isegm.data.datasets.bsds import BSDS
from isegm.data.datasets.clothing import ClothingCoParsing
from isegm.data.datasets.coco import CocoInstances
from isegm.data.datasets.coco_lvis import CocoLvis
from isegm.data.datasets.coco_panoptic import CocoPanoptic
from isegm.data.datasets.duts import duts
from isegm.data.datasets.folder import Folder, folder_path
from isegm.data.datasets.hflickr import hflickr
from isegm.data.datasets.lvis import Lvis
from isegm.data.datasets.msra10k import msra10k
from isegm.data.datasets.open_images import OpenImages
from isegm.data.datasets.pascal_voc import PascalVocObjects
from isegm.data.datasets.sbd import SbdObjects
from isegm.data.datasets.synthetic import SyntheticSource
from isegm.data.datasets.thin_object import thin_object
from isegm.data.datasets.youtube_vos import YouTubeVOS
from isegm.data.mix import Joined, Part, ProportionalMix
from isegm.data.pairs import MaskPairs
from isegm.data.pasted import PastedScenes
from isegm.data.point_sampler import SamplerConfig
from isegm.data.sample_scores import read_scores
from isegm.utils.config import absolute, require_path
from isegm.utils.overrides import override_config


@dataclass(frozen=True)
class DataConfig:
    """What recipes let one choose; the defaults are RITM's on COCO+LVIS (published script hrnet18_cocolvis_itermask_3p).

    Attributes:
        crop: rows and columns of a training image.
        augmentation, val_augmentation: see ``isegm.data.augment.pipeline``; "none" leaves images as they are.
        max_clicks, gamma, merge_objects, max_merged, first_click_center, spaced, soft_targets: see ``SamplerConfig``.
        min_object_area, keep_background, epoch_len, min_region, max_share: see ``ItemSettings``.
        val_epoch_len: images per validation.
        val_min_object_area: ``min_object_area`` of the validation; None: the same.
        val_keep_background: ``keep_background`` of the validation.
        stuff_prob: COCO+LVIS, COCO panoptic and ADE20K: probability that the stuff regions of an image are objects too; in
            validation they never are.
        allow_list: COCO+LVIS only: a JSON list of the training images to use, a file beside hannotation.pickle.
        sample_scores: SBD only: a file of sample scores, in SBD_PATH or a whole path; None: all images alike.
        score_gamma: SBD only: images are drawn with probability ~ (1 - score)^score_gamma.
        layout: pascal_sbd only: "downloads" (VOC2012 and SBD as they are offered) or "png" (a mask file per object).
        shares: of comb, how often COCO+LVIS, saliency, ThinObject-5K, YouTube-VOS, HFlickr and
            ADE20K are drawn; of starter, see there. A set whose share is 0 need not be there.
        scenes: synthetic only: how many scenes there are, the same ones in every epoch; 0: never the same scene twice.
        image_dir, mask_dir, val_image_dir, val_mask_dir, mask_kind: the folder recipe only, see ``isegm.data.datasets.folder``.
        seed: of everything random in the data; validation uses the next one.

    Raises:
        IsegmError: a crop that is not two positive numbers, or a negative seed.
    """

    crop: tuple[int, int] = (320, 480)
    augmentation: str = "coco"
    val_augmentation: str = "val"
    max_clicks: int = 24
    gamma: float = 0.8
    merge_objects: float = 0.15
    max_merged: int = 2
    first_click_center: bool = False
    spaced: bool = False
    soft_targets: bool = False
    min_object_area: int = 1000
    keep_background: float = 0.05
    epoch_len: int = 30_000
    min_region: int = 0
    max_share: float = 1.0
    val_epoch_len: int = 2000
    val_min_object_area: int | None = None
    val_keep_background: float = 0.0
    stuff_prob: float = 0.30
    allow_list: str = ""
    sample_scores: str | None = None
    score_gamma: float = 1.25
    layout: str = "downloads"
    shares: tuple[float, ...] = (0.35, 0.10, 0.10, 0.20, 0.10, 0.15)
    scenes: int = 0
    image_dir: str = ""
    mask_dir: str = ""
    val_image_dir: str = ""
    val_mask_dir: str = ""
    mask_kind: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.crop) != 2 or min(self.crop) < 1:
            raise IsegmError(f"data.crop={list(self.crop)}: expected rows and columns, e.g. [320,480]")
        if self.seed < 0:
            raise IsegmError(f"data.seed={self.seed}: expected at least 0")


# What the scripts of RITM's and SimpleClick's iterative models share on SBD.
ITERATIVE_SBD: dict[str, Any] = {
    "max_clicks": 24,
    "merge_objects": 0.15,
    "sample_scores": "sbd_samples_weights.pkl",
    "val_augmentation": "val_sbd",
    "keep_background": 0.01,
    "val_epoch_len": 500,
}

# What RITM's loss ablation and its baseline with DeepLabV3+ share on COCO+LVIS: smaller objects, and no empty crops.
SMALL_OBJECTS: dict[str, Any] = {
    "crop": (320, 480),
    "max_clicks": 24,
    "merge_objects": 0.15,
    "stuff_prob": 0.30,
    "min_object_area": 80,
    "keep_background": 0.0,
}

# Of the starter's parts; at least 4 of 10 samples show one of several objects.
STARTER_SHARES = (0.42, 0.20, 0.14, 0.06, 0.11, 0.07)

# What all training scripts of FocalClick share (published: models/focalclick of ClickSEG).
FOCALCLICK: dict[str, Any] = {
    "crop": (256, 256),
    "max_clicks": 24,
    "merge_objects": 0.15,
    "first_click_center": True,
    "min_region": 900,
    "max_share": 0.85,
}
# What the scripts of CDNet and of the light baselines, of the same code, share.
CDNET: dict[str, Any] = FOCALCLICK | {"crop": (384, 384)}
CLICKSEG_BASELINE: dict[str, Any] = CDNET | {"gamma": 0.7}

# FCA-Net's: the clicks of its paper in crops around one object.
FCANET: dict[str, Any] = {"crop": (512, 512), "augmentation": "object", "val_augmentation": "object", "spaced": True}
FCANET |= {"max_clicks": 11, "merge_objects": 0.0, "min_object_area": 1, "keep_background": 0.0}

# Of the small networks, models/*/tiny_synthetic.py, that are compared with one another. The first click falls in the middle of
# the object, and not many others are sampled: the rollout adds corrections, as at test time.
SMALL_SCENES: dict[str, Any] = {
    "crop": (192, 192),
    "augmentation": "zoom",
    "val_augmentation": "zoom",
    "max_clicks": 12,
    "gamma": 0.8,
    "first_click_center": True,
    "min_object_area": 600,
    "epoch_len": 800,
    "val_epoch_len": 64,
}

# What ClickAttention's published script has in common with FocalClick's; it leaves small regions of a target alone.
CLICK_ATTENTION: dict[str, Any] = FOCALCLICK | {"crop": (512, 512), "min_region": 0, "max_share": 1.0}

# What all training scripts of EMC-Click share: one click in the middle of each of up to two objects.
EMC_CLICK: dict[str, Any] = {
    "crop": (320, 480),
    "max_clicks": 2,
    "gamma": 0.0,
    "merge_objects": 0.15,
    "first_click_center": True,
    "keep_background": 0.0,
    "min_region": 900,
    "max_share": 0.85,
    "stuff_prob": 0.20,
}


def cocolvis(cfg: EasyDict, **settings: Any) -> TrainingData:
    """COCO+LVIS in its published layout under ``cfg.COCO_LVIS_PATH``; the recipe of RITM's published models."""
    config = _config(cfg, settings)
    return _training_data(_coco_lvis(cfg, config), _coco_lvis_val(cfg), config)


def comb(cfg: EasyDict, **settings: Any) -> TrainingData:
    """COCO+LVIS mixed with sets of finer masks, each drawn by its share: the "comb" data of FocalClick's published scripts.

    Validation is on COCO+LVIS (if its share is above 0).
    """
    config = _config(cfg, {"stuff_prob": 0.10, **settings})
    openers = (_coco_lvis, _saliency, _thin_object, _youtube_vos, _hflickr, _ade20k)
    mix = _mixed(cfg, config, openers, DataConfig.shares)
    val = _coco_lvis_val(cfg) if config.shares[0] else None
    return _training_data(mix, val, config)


def coco(cfg: EasyDict, **settings: Any) -> TrainingData:
    """COCO instances, train2017 and val2017 under ``cfg.COCO_PATH``."""
    config = _config(cfg, settings)
    root, cache = require_path(cfg, "COCO_PATH", "COCO"), cache_folder(cfg)
    return _training_data(CocoInstances(root, "train2017", cache), CocoInstances(root, "val2017", cache), config)


def coco_panoptic(cfg: EasyDict, **settings: Any) -> TrainingData:
    """COCO panoptic, train2017 and val2017 under ``cfg.COCO_PATH``: RITM's coco scripts."""
    config = _config(cfg, {"val_keep_background": 0.05, **settings})
    root, cache = require_path(cfg, "COCO_PATH", "COCO panoptic"), cache_folder(cfg)
    train = CocoPanoptic(root, "train2017", config.stuff_prob, cache)
    return _training_data(train, CocoPanoptic(root, "val2017", cache=cache), config)


def lvis(cfg: EasyDict, **settings: Any) -> TrainingData:
    """LVIS v1 under ``cfg.LVIS_v1_PATH``, with photographs from there or from ``cfg.COCO_PATH``: RITM's lvis scripts."""
    config = _config(cfg, settings)
    root = require_path(cfg, "LVIS_v1_PATH", "LVIS")
    photographs = absolute(cfg, str(cfg.COCO_PATH)) if "COCO_PATH" in cfg else None
    train, val = (Lvis(root, split, photographs, cache_folder(cfg)) for split in ("train", "val"))
    return _training_data(train, val, config)


def open_images(cfg: EasyDict, **settings: Any) -> TrainingData:
    """The masks of OpenImages under ``cfg.OPENIMAGES_PATH``: RITM's openimages scripts."""
    config = _config(cfg, {"val_keep_background": 0.05, **settings})
    root, cache = require_path(cfg, "OPENIMAGES_PATH", "OpenImages"), cache_folder(cfg)
    val = "val" if (root / "val").is_dir() else "validation"
    return _training_data(OpenImages(root, "train", cache), OpenImages(root, val, cache), config)


def ade20k(cfg: EasyDict, **settings: Any) -> TrainingData:
    """ADE20K under ``cfg.ADE20K_PATH``, scenes and parts: RITM's ade20k scripts."""
    config = _config(cfg, {"min_object_area": 80, "val_keep_background": 0.05, **settings})
    root = require_path(cfg, "ADE20K_PATH", "ADE20K")
    train = ADE20K(root, "training", parts=True, stuff_prob=config.stuff_prob)
    return _training_data(train, ADE20K(root, "validation", parts=True), config)


def sbd(cfg: EasyDict, **settings: Any) -> TrainingData:
    """SBD under ``cfg.SBD_PATH``, augmented as in the published SBD scripts of RITM; an epoch is every image once.

    With ``sample_scores`` an epoch is as many draws instead, easy images rarely; validation never uses scores.
    """
    defaults = {"augmentation": "sbd", "min_object_area": 80, "keep_background": 0.0, "epoch_len": 0, "val_epoch_len": 0}
    config = _config(cfg, {**defaults, **settings})
    root = require_path(cfg, "SBD_PATH", "SBD")
    train = SbdObjects(root, "train")
    scores = None
    if config.sample_scores:
        scores = read_scores(root / Path(config.sample_scores).expanduser(), (train.names[i] for i in range(len(train))))
    return _training_data(train, SbdObjects(root, "val"), config, scores)


def voc_sbd(cfg: EasyDict, **settings: Any) -> TrainingData:
    """The training images of PASCAL VOC 2012 and of SBD, every one once per epoch, as in RITM's vocsbd scripts.

    Validation is on SBD. SBD trains on images that VOC validates on, so the set PascalVOC says little about such a network.

    # differs from the original: VOC's objects are told apart by palette index, not by the gray level of their colour; the
    # sample scores of SBD, which have no effect there, are not read.
    """
    defaults = {"min_object_area": 80, "keep_background": 0.0, "epoch_len": 0, "val_epoch_len": 0}
    config = _config(cfg, {**defaults, **settings})
    root = require_path(cfg, "SBD_PATH", "SBD")
    voc = PascalVocObjects(require_path(cfg, "PASCALVOC_PATH", "PASCAL VOC"), "train")
    return _training_data(Joined([voc, SbdObjects(root, "train")]), SbdObjects(root, "val"), config)


def pascal_sbd(cfg: EasyDict, **settings: Any) -> TrainingData:
    """Augmented PASCAL VOC, every object once per epoch: FCA-Net's data. See ``isegm.data.datasets.pascal_sbd``.

    With ``layout="downloads"`` from ``PASCALVOC_PATH`` and ``SBD_PATH``, and validation is on the objects of VOC's validation
    images; with ``layout="png"`` from ``PASCAL_SBD_PATH``, and validation is on its ``list/val.txt`` if there is one.
    """
    defaults = {"min_object_area": 0, "keep_background": 0.0, "epoch_len": 0, "val_epoch_len": 0, "merge_objects": 0.0}
    config = _config(cfg, {**defaults, **settings})
    if config.layout not in augmented_pascal.LAYOUTS:
        raise unknown("data.layout", config.layout, augmented_pascal.LAYOUTS)
    if config.layout == "png":
        root = require_path(cfg, "PASCAL_SBD_PATH", "augmented PASCAL VOC")
        val = augmented_pascal.from_png(root, "val") if (root / "list" / "val.txt").exists() else None
        return _training_data(augmented_pascal.from_png(root), val, config)
    voc, cache = require_path(cfg, "PASCALVOC_PATH", "PASCAL VOC"), cache_folder(cfg)
    train = augmented_pascal.from_downloads(voc, require_path(cfg, "SBD_PATH", "SBD"), cache)
    return _training_data(train, augmented_pascal.validation(voc, cache), config)


def folder(cfg: EasyDict, **settings: Any) -> TrainingData:
    """Images and masks of your own, ``image_dir`` and ``mask_dir`` (or ``IMAGE_DIR`` and ``MASK_DIR`` in config.yml).

    Every image is used once per epoch. There is a validation set if ``val_image_dir`` and ``val_mask_dir`` are given.
    """
    defaults = {"epoch_len": 0, "val_epoch_len": 0, "min_object_area": 80, "keep_background": 0.0}
    config = _config(cfg, {**defaults, **settings})
    image_dir, mask_dir = folder_path(cfg, "IMAGE_DIR", config.image_dir), folder_path(cfg, "MASK_DIR", config.mask_dir)
    val = None
    if config.val_image_dir or config.val_mask_dir:
        val_dirs = (
            folder_path(cfg, "VAL_IMAGE_DIR", config.val_image_dir),
            folder_path(cfg, "VAL_MASK_DIR", config.val_mask_dir),
        )
        val = Folder(*val_dirs, config.mask_kind)
    return _training_data(Folder(image_dir, mask_dir, config.mask_kind), val, config)


def synthetic(cfg: EasyDict, **settings: Any) -> TrainingData:
    """Synthetic scenes of the size of the crop, painted on demand; no file is needed. Unless ``scenes`` limits them, no two are
    the same. Those of the validation never are those of the training."""
    defaults = {"crop": (128, 128), "augmentation": "none", "val_augmentation": "none", "min_object_area": 0}
    defaults |= {"keep_background": 0.0, "epoch_len": 2000, "val_epoch_len": 200}
    config = _config(cfg, {**defaults, **settings})
    val = SyntheticSource(config.crop, max(config.val_epoch_len, 1))
    length = config.scenes or max(config.epoch_len, 1)
    return _training_data(SyntheticSource(config.crop, length, repeated=config.scenes > 0), val, config)


def starter(cfg: EasyDict, **settings: Any) -> TrainingData:
    """What the network of the package is trained on: photographs with all kinds of masks.

    ``shares`` says how often each of six parts is drawn: DUTS, scenes pasted together from DUTS,
    COCO instances, people of COCO, regions of BSDS500, clothing (CCP). Validation is on COCO (if
    its share is above 0).
    """
    config = _config(cfg, {"shares": STARTER_SHARES, **settings})
    openers = (_duts, _pasted_duts, _coco, _coco_persons, _bsds, _clothing)
    mix = _mixed(cfg, config, openers, STARTER_SHARES)
    val = _coco(cfg, config, "val2017") if config.shares[2] else None
    return _training_data(mix, val, config)


def of_sources(
    cfg: EasyDict,
    train: Source,
    val: Source | None = None,
    **settings: Any,
) -> TrainingData:
    """Any source as training data, and any other, if there is one, for validation.

    For mixes of your own: see docs/data.md.
    """
    return _training_data(train, val, _config(cfg, settings))


def _mixed(
    cfg: EasyDict,
    config: DataConfig,
    openers: Sequence[Callable[[EasyDict, DataConfig], Source]],
    usual: tuple[float, ...],
) -> ProportionalMix:
    """The sources whose share is not 0."""
    if len(config.shares) != len(openers):
        count = len(config.shares)
        raise IsegmError(f"data.shares has {count} entries; expected {len(openers)}, e.g. {usual}")
    pairs = [(o, share) for o, share in zip(openers, config.shares, strict=True) if share != 0]
    return ProportionalMix([Part(opener(cfg, config), share) for opener, share in pairs])


def _duts(cfg: EasyDict, config: DataConfig) -> Source:
    keys = ("DUTS_TR_PATH", "DUTS_TE_PATH")
    roots = [require_path(cfg, key, "DUTS") for key in keys]
    return MaskPairs("DUTS", [pair for root in roots for pair in duts(root)])


def _pasted_duts(cfg: EasyDict, config: DataConfig) -> Source:
    return PastedScenes(_duts(cfg, config))


def _coco(cfg: EasyDict, config: DataConfig, split: str = "train2017") -> Source:
    return CocoInstances(require_path(cfg, "COCO_PATH", "COCO"), split, cache_folder(cfg))


def _coco_persons(cfg: EasyDict, config: DataConfig) -> Source:
    root = require_path(cfg, "COCO_PERSONS_PATH", "COCO persons")
    return CocoInstances(root, "val2017", cache_folder(cfg))


def _bsds(cfg: EasyDict, config: DataConfig) -> Source:
    return BSDS(require_path(cfg, "BSDS_PATH", "BSDS500"))


def _clothing(cfg: EasyDict, config: DataConfig) -> Source:
    return ClothingCoParsing(require_path(cfg, "CCP_PATH", "CCP"))


def _coco_lvis(cfg: EasyDict, config: DataConfig) -> Source:
    root = require_path(cfg, "COCO_LVIS_PATH", "COCO+LVIS")
    allowed = root / "train" / config.allow_list if config.allow_list else None
    return CocoLvis(root, "train", config.stuff_prob, allowed, cache_folder(cfg))


def _coco_lvis_val(cfg: EasyDict) -> Source:
    return CocoLvis(require_path(cfg, "COCO_LVIS_PATH", "COCO+LVIS"), "val", cache=cache_folder(cfg))


def _saliency(cfg: EasyDict, config: DataConfig) -> Source:
    parts = [duts(require_path(cfg, key, "DUTS")) for key in ("DUTS_TR_PATH", "DUTS_TE_PATH")]
    return MaskPairs("saliency", [*msra10k(require_path(cfg, "MSRA10K_PATH", "MSRA10K")), *parts[0], *parts[1]])


def _thin_object(cfg: EasyDict, config: DataConfig) -> Source:
    return thin_object(require_path(cfg, "THINOBJECT_PATH", "ThinObject-5K"))


def _youtube_vos(cfg: EasyDict, config: DataConfig) -> Source:
    return YouTubeVOS(require_path(cfg, "YOUTUBEVOS_PATH", "YouTube-VOS"))


def _hflickr(cfg: EasyDict, config: DataConfig) -> Source:
    return hflickr(require_path(cfg, "HFLICKR_PATH", "HFlickr"))


def _ade20k(cfg: EasyDict, config: DataConfig) -> Source:
    return ADE20K(require_path(cfg, "ADE20K_PATH", "ADE20K"))


def _config(cfg: EasyDict, settings: dict[str, Any]) -> DataConfig:
    settings = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    config = override_config(DataConfig(), settings, "data")
    return override_config(config, cfg.get("overrides", {}).get("data", {}), "data")


def _training_data(train: Source, val: Source | None, config: DataConfig, scores: np.ndarray | None = None) -> TrainingData:
    def made(
        source: Source, augmentation: str, items: ItemSettings, seed: int, scores: np.ndarray | None = None
    ) -> ClickDataset:
        augment = None if augmentation == "none" else pipeline(augmentation, config.crop)
        return ClickDataset(source, _sampler(config), augment, items, seed, scores)

    items = ItemSettings(
        config.epoch_len,
        config.min_object_area,
        config.keep_background,
        config.score_gamma,
        config.min_region,
        config.max_share,
    )
    val_area = config.min_object_area if config.val_min_object_area is None else config.val_min_object_area
    val_items = ItemSettings(config.val_epoch_len, val_area, config.val_keep_background)
    return TrainingData(
        made(train, config.augmentation, items, config.seed, scores),
        None if val is None else made(val, config.val_augmentation, val_items, config.seed + 1),
    )


def _sampler(config: DataConfig) -> SamplerConfig:
    return SamplerConfig(
        max_clicks=config.max_clicks,
        gamma=config.gamma,
        merge_prob=config.merge_objects,
        max_merged=config.max_merged,
        first_click_center=config.first_click_center,
        spaced=config.spaced,
        soft_targets=config.soft_targets,
    )
