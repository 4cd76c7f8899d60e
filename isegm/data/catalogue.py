"""Every data set: what it should hold, and how it is opened. Where it comes from is in the zoo;
``isegm.data.checking`` checks a copy of one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.cache import cache_folder
from isegm.data.dataset import Source
from isegm.data.evaluation_sets import EvalDataset, evaluation_set
from isegm.data.medical.organs import ORGANS
from isegm.data.pairs import MaskPairs
from isegm.data.places import require_path
from isegm.data.sources.ade20k import ADE20K
from isegm.data.sources.bsds import BSDS
from isegm.data.sources.clothing import ClothingCoParsing
from isegm.data.sources.coco import CocoInstances
from isegm.data.sources.coco_lvis import CocoLvis
from isegm.data.sources.coco_panoptic import CocoPanoptic
from isegm.data.sources.duts import duts
from isegm.data.sources.hflickr import hflickr
from isegm.data.sources.hqseg44k import hqseg44k_objects
from isegm.data.sources.lvis import Lvis, annotation_places
from isegm.data.sources.msra10k import msra10k
from isegm.data.sources.open_images import OpenImages
from isegm.data.sources.pascal_sbd import from_png
from isegm.data.sources.pascal_voc import PascalVocObjects
from isegm.data.sources.photos import FOLDER as PHOTOS
from isegm.data.sources.sbd import SbdObjects
from isegm.data.sources.thin_object import thin_object
from isegm.data.sources.youtube_vos import YouTubeVOS
from isegm.utils.config import absolute, repository_file


@dataclass(frozen=True)
class Subset:
    """A part of a data set that is opened on its own.

    Attributes:
        name: e.g. the split.
        open: from the root of the set and config.yml.
        count: how many samples (evaluation: objects; training: images) there are by the literature;
            None: not known.
        objects: how many objects a training part has by the literature.
        annotations: files and folders of annotations, relative to the root: for the fingerprint of
            a training part, and to tell sets apart that share a root.
    """

    name: str
    open: Callable[[Path, EasyDict], EvalDataset | Source]
    count: int | None = None
    objects: int | None = None
    annotations: tuple[str, ...] = ()


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Attributes:
        name: what commands call it.
        key: of config.yml, which says where the set is; "" for a set that comes with the package.
        parts: what is opened on its own.
        folder: of a set that comes with the package, in the repository.
    """

    name: str
    key: str
    parts: tuple[Subset, ...]
    folder: str = ""

    def root(self, cfg: EasyDict) -> Path:
        """Where the set is.

        Raises:
            IsegmError: it is not there, or config.yml does not say where.
        """
        if self.key:
            return require_path(cfg, self.key, self.name)
        place = repository_file(self.folder)
        if not place.exists():
            raise IsegmError(
                f"{self.name}: {place} does not exist; reinstall isegm or restore the clone"
            )
        return place


def _evaluated(name: str, count: int | None, annotations: tuple[str, ...] = ()) -> Subset:
    return Subset(name, lambda root, cfg: evaluation_set(name, cfg), count, None, annotations)


def _photographs(cfg: EasyDict) -> Path | None:
    return absolute(cfg, str(cfg.COCO_PATH)) if "COCO_PATH" in cfg else None


PIXEL_LEVEL = "annotations/pixel-level"

CATALOGUE = (
    DataSet("photos", "", (_evaluated("photos", 21),), PHOTOS),
    DataSet("GrabCut", "GRABCUT_PATH", (_evaluated("GrabCut", 50),)),
    DataSet("Berkeley", "BERKELEY_PATH", (_evaluated("Berkeley", 100),)),
    DataSet("DAVIS", "DAVIS_PATH", (_evaluated("DAVIS", 345),)),
    DataSet("COCO_MVal", "COCO_MVAL_PATH", (_evaluated("COCO_MVal", 800),)),
    DataSet(
        "DAVIS585",
        "DAVIS585_PATH",
        tuple(_evaluated(name, 585) for name in ("DAVIS585", "D585_SP", "D585_STM")),
    ),
    DataSet(
        "HQSeg44K",
        "HQSEG44K_PATH",
        tuple(
            _evaluated(name, count)
            for name, count in (
                ("HQSeg44K", 1537),
                ("DIS5K_VD", 470),
                ("ThinObject5K_TE", 500),
                ("COIFT", 280),
                ("HRSOD", 287),
            )
        ),
    ),
    DataSet(
        "HQSeg44K_train",
        "HQSEG44K_PATH",
        (
            Subset(
                "train",
                lambda root, cfg: hqseg44k_objects(root, "train"),
                44_320,
                None,
                ("DIS5K/DIS-TR/gt", "cascade_psp"),
            ),
        ),
    ),
    DataSet(
        "ssTEM",
        "SSTEM_PATH",
        (_evaluated("ssTEM", None),),
    ),
    DataSet("BraTS", "BRATS_PATH", (_evaluated("BraTS", 369),)),
    DataSet("OAIZIB", "OAIZIB_PATH", (_evaluated("OAIZIB", None),)),
    DataSet(
        "PascalVOC",
        "PASCALVOC_PATH",
        (
            _evaluated("PascalVOC", 3427),
            Subset(
                "train",
                lambda root, cfg: PascalVocObjects(root, "train"),
                1464,
                None,
                ("ImageSets", "SegmentationObject"),
            ),
        ),
    ),
    DataSet(
        "SBD",
        "SBD_PATH",
        (
            _evaluated("SBD", 6671),
            Subset(
                "train",
                lambda root, cfg: SbdObjects(root, "train"),
                8498,
                None,
                ("train.txt", "inst"),
            ),
            Subset(
                "val", lambda root, cfg: SbdObjects(root, "val"), 2857, None, ("val.txt", "inst")
            ),
        ),
    ),
    DataSet(
        "PASCAL_SBD",
        "PASCAL_SBD_PATH",
        (Subset("train", lambda root, cfg: from_png(root), None, None, ("list/train.txt", "gt")),),
    ),
    DataSet(
        "COCO",
        "COCO_PATH",
        (
            Subset(
                "train2017",
                lambda root, cfg: CocoInstances(root, "train2017", cache_folder(cfg)),
                117_266,
                849_949,
                ("annotations/instances_train2017.json",),
            ),
            Subset(
                "val2017",
                lambda root, cfg: CocoInstances(root, "val2017", cache_folder(cfg)),
                4952,
                36_335,
                ("annotations/instances_val2017.json",),
            ),
        ),
    ),
    DataSet(
        "COCO_categories",
        "COCO_PATH",
        tuple(
            _evaluated(name, None, ("annotations/instances_val2017.json",))
            for name in ("COCO_seen", "COCO_unseen")
        ),
    ),
    DataSet(
        "COCO_panoptic",
        "COCO_PATH",
        tuple(
            Subset(
                f"{split}2017",
                lambda root, cfg, split=split: CocoPanoptic(
                    root, f"{split}2017", cache=cache_folder(cfg)
                ),
                count,
                None,
                (f"annotations/panoptic_{split}2017.json", f"annotations/panoptic_{split}2017"),
            )
            for split, count in (("train", 118_287), ("val", 5000))
        ),
    ),
    DataSet(
        "LVIS",
        "LVIS_v1_PATH",
        tuple(
            Subset(
                split,
                lambda root, cfg, split=split: Lvis(
                    root, split, _photographs(cfg), cache_folder(cfg)
                ),
                None,
                objects,
                annotation_places(split),
            )
            for split, objects in (("train", 1_270_141), ("val", 244_707))
        ),
    ),
    DataSet(
        "COCO_LVIS",
        "COCO_LVIS_PATH",
        tuple(
            Subset(
                split,
                lambda root, cfg, split=split: CocoLvis(root, split, cache=cache_folder(cfg)),
                None,
                None,
                (f"{split}/hannotation.pickle", f"{split}/masks"),
            )
            for split in ("train", "val")
        ),
    ),
    DataSet(
        "OpenImages",
        "OPENIMAGES_PATH",
        tuple(
            Subset(
                split,
                lambda root, cfg, split=split: OpenImages(root, split, cache_folder(cfg)),
                images,
                masks,
                (f"{split}/{split}-annotations-object-segmentation.csv", f"{split}/masks"),
            )
            for split, images, masks in (
                ("train", 944_037, 2_686_666),
                ("validation", 13_524, 24_730),
            )
        ),
    ),
    DataSet(
        "ADE20K",
        "ADE20K_PATH",
        tuple(
            Subset(
                split,
                lambda root, cfg, split=split: ADE20K(root, split, parts=True),
                count,
                None,
                (f"images/{split}",),
            )
            for split, count in (("training", 20_210), ("validation", 2000))
        ),
    ),
    DataSet(
        "ThinObject5K",
        "THINOBJECT_PATH",
        (Subset("all", lambda root, cfg: thin_object(root), None, None, ("masks",)),),
    ),
    DataSet(
        "MSRA10K",
        "MSRA10K_PATH",
        (
            Subset(
                "all",
                lambda root, cfg: MaskPairs("MSRA10K", msra10k(root)),
                10_000,
                None,
                ("Imgs",),
            ),
        ),
    ),
    DataSet(
        "DUTS-TR",
        "DUTS_TR_PATH",
        (
            Subset(
                "all",
                lambda root, cfg: MaskPairs("DUTS-TR", duts(root)),
                10_553,
                None,
                ("DUTS-TR-Mask",),
            ),
        ),
    ),
    DataSet(
        "DUTS-TE",
        "DUTS_TE_PATH",
        (
            Subset(
                "all",
                lambda root, cfg: MaskPairs("DUTS-TE", duts(root)),
                5019,
                None,
                ("DUTS-TE-Mask",),
            ),
        ),
    ),
    DataSet(
        "BSDS500",
        "BSDS_PATH",
        (Subset("all", lambda root, cfg: BSDS(root), 500, None, ("groundTruth",)),),
    ),
    DataSet(
        "CCP",
        "CCP_PATH",
        (Subset("all", lambda root, cfg: ClothingCoParsing(root), 1004, None, (PIXEL_LEVEL,)),),
    ),
    DataSet(
        "COCO_persons",
        "COCO_PERSONS_PATH",
        (
            Subset(
                "val2017",
                lambda root, cfg: CocoInstances(root, "val2017", cache_folder(cfg)),
                1045,
                1045,
                ("annotations/instances_val2017.json",),
            ),
        ),
    ),
    DataSet(
        "HFlickr",
        "HFLICKR_PATH",
        (Subset("all", lambda root, cfg: hflickr(root), None, None, ("masks",)),),
    ),
    DataSet(
        "YouTube-VOS",
        "YOUTUBEVOS_PATH",
        (
            Subset(
                "train",
                lambda root, cfg: YouTubeVOS(root),
                3471,
                None,
                ("train/meta.json", "train/Annotations"),
            ),
        ),
    ),
    *(DataSet(organ, f"{organ.upper()}_PATH", (_evaluated(organ, None),)) for organ in ORGANS),
)
