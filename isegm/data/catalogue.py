"""Every data set: what it should hold, where it comes from, how it is opened.
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
        origin: where to get it; for a set of the package, its folder in the repository.
        parts: what is opened on its own.
    """

    name: str
    key: str
    origin: str
    parts: tuple[Subset, ...]

    def root(self, cfg: EasyDict) -> Path:
        """Where the set is.

        Raises:
            IsegmError: it is not there, or config.yml does not say where.
        """
        if self.key:
            return require_path(cfg, self.key, self.name)
        place = repository_file(self.origin)
        if not place.exists():
            raise IsegmError(
                f"{self.name}: {place} does not exist; reinstall isegm or restore the clone"
            )
        return place


def _evaluated(name: str, count: int | None, annotations: tuple[str, ...] = ()) -> Subset:
    return Subset(name, lambda root, cfg: evaluation_set(name, cfg), count, None, annotations)


def _photographs(cfg: EasyDict) -> Path | None:
    return absolute(cfg, str(cfg.COCO_PATH)) if "COCO_PATH" in cfg else None


RITM = "github.com/saic-vul/ritm_interactive_segmentation"
FBRS = "github.com/saic-vul/fbrs_interactive_segmentation, release v1.0"
VOC = "host.robots.ox.ac.uk/pascal/VOC/voc2012, VOCtrainval_11-May-2012.tar"
VOC += " (md5 6cd6e144f989b92b3379bac3b3de84fd)"
SBD = "www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/semantic_contours, benchmark.tgz"
SBD += " (md5 82b4d87ceb2ed10f6038a1cba92111cb); the sample scores,"
SBD += f" assets/sbd_samples_weights.pkl of {RITM}"
VOLUMES = "medicaldecathlon.com or TotalSegmentator (on zenodo.org),"
VOLUMES += " and isegm extract-slices: docs/how-to/medical.md"
SIMPLECLICK = "the Google Drive folder that github.com/uncbiag/SimpleClick links to"
COCO = "cocodataset.org: train2017.zip, val2017.zip and annotations_trainval2017.zip"

PIXEL_LEVEL = "annotations/pixel-level"

CATALOGUE = (
    DataSet("photos", "", PHOTOS, (_evaluated("photos", 21),)),
    DataSet("GrabCut", "GRABCUT_PATH", f"{FBRS}: GrabCut.zip", (_evaluated("GrabCut", 50),)),
    DataSet("Berkeley", "BERKELEY_PATH", f"{FBRS}: Berkeley.zip", (_evaluated("Berkeley", 100),)),
    DataSet("DAVIS", "DAVIS_PATH", f"{FBRS}: DAVIS.zip", (_evaluated("DAVIS", 345),)),
    DataSet(
        "COCO_MVal", "COCO_MVAL_PATH", f"{FBRS}: COCO_MVal.zip", (_evaluated("COCO_MVal", 800),)
    ),
    DataSet(
        "DAVIS585",
        "DAVIS585_PATH",
        "DAVIS-585, in the Google Drive folder that github.com/XavierCHEN34/ClickSEG links to",
        tuple(_evaluated(name, 585) for name in ("DAVIS585", "D585_SP", "D585_STM")),
    ),
    DataSet(
        "HQSeg44K",
        "HQSEG44K_PATH",
        "huggingface.co/sam-hq-team/sam-hq-training, folder data: DIS5K.zip and"
        " thin_object_detection.zip",
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
        "ssTEM",
        "SSTEM_PATH",
        "github.com/unidesigner/groundtruth-drosophila-vnc: the folder stack1",
        (_evaluated("ssTEM", None),),
    ),
    DataSet("BraTS", "BRATS_PATH", f"{SIMPLECLICK}: BraTS", (_evaluated("BraTS", 369),)),
    DataSet("OAIZIB", "OAIZIB_PATH", f"{SIMPLECLICK}: OAI-ZIB", (_evaluated("OAIZIB", None),)),
    DataSet(
        "PascalVOC",
        "PASCALVOC_PATH",
        VOC,
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
        SBD,
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
        "github.com/mindspore-ai/models, research/cv/FCANet: Augmented PASCAL (PascalVOC and SBD"
        " serve as well: docs/reference/data.md)",
        (Subset("train", lambda root, cfg: from_png(root), None, None, ("list/train.txt", "gt")),),
    ),
    DataSet(
        "COCO",
        "COCO_PATH",
        COCO,
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
        COCO,
        tuple(
            _evaluated(name, None, ("annotations/instances_val2017.json",))
            for name in ("COCO_seen", "COCO_unseen")
        ),
    ),
    DataSet(
        "COCO_panoptic",
        "COCO_PATH",
        "cocodataset.org: train2017.zip, val2017.zip and panoptic_annotations_trainval2017.zip"
        " (unpack its zip files too)",
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
        "lvisdataset.org/dataset: lvis_v1_train.json.zip and lvis_v1_val.json.zip; photographs are"
        " those of COCO",
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
        f"{RITM}, release v1.0: cocolvis_annotation.tar.gz, with COCO's train2017 and val2017 as"
        " images;"
        " or isegm convert-annotations coco_lvis",
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
        "storage.googleapis.com/openimages/web/download.html: segmentation masks, their CSV lists,"
        " and the images these name",
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
        "groups.csail.mit.edu/vision/datasets/ADE20K: the full data set, ADE20K_2016_07_26.zip",
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
        "github.com/liewjunhao/thin-object-selection",
        (Subset("all", lambda root, cfg: thin_object(root), None, None, ("masks",)),),
    ),
    DataSet(
        "MSRA10K",
        "MSRA10K_PATH",
        "mmcheng.net/msra10k",
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
        "saliencydetection.net/duts",
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
        "saliencydetection.net/duts",
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
        "www2.eecs.berkeley.edu/Research/Projects/CS/vision/grouping/resources.html, or"
        " github.com/BIDS/BSDS500: the folder BSDS500/data",
        (Subset("all", lambda root, cfg: BSDS(root), 500, None, ("groundTruth",)),),
    ),
    DataSet(
        "CCP",
        "CCP_PATH",
        "github.com/bearpaw/clothing-co-parsing",
        (Subset("all", lambda root, cfg: ClothingCoParsing(root), 1004, None, (PIXEL_LEVEL,)),),
    ),
    DataSet(
        "COCO_persons",
        "COCO_PERSONS_PATH",
        "github.com/minto5z/coco_yolo: the folder coco, its images/val2017 as val2017",
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
        "github.com/bcmi/Image-Harmonization-Dataset-iHarmony4: HFlickr",
        (Subset("all", lambda root, cfg: hflickr(root), None, None, ("masks",)),),
    ),
    DataSet(
        "YouTube-VOS",
        "YOUTUBEVOS_PATH",
        "youtube-vos.org: the training set of 2018 or 2019",
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
    *(
        DataSet(organ, f"{organ.upper()}_PATH", VOLUMES, (_evaluated(organ, None),))
        for organ in ORGANS
    ),
)
