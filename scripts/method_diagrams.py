"""A diagram of each method: what goes in, what is kept from click to click, what comes out."""

from __future__ import annotations

from drawing import Arrow, Box, Diagram, chain

RITM = Diagram(
    "RITM",
    860,
    250,
    {
        "image": Box(80, 70, "Image\nnormalized", "plain", 120),
        "maps": Box(80, 175, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "conv": Box(265, 70, "First convolution\nstride 2", width=140),
        "fuse": Box(265, 175, "Conv1S\n1x1, 3x3 stride 2, scale", width=180),
        "plus": Box(405, 70, "+", "plain", 34),
        "hrnet": Box(515, 70, "HRNet\n4 resolutions,\nconcatenated at 1/4", width=150),
        "ocr": Box(682, 70, "OCR head\nfirst guess pools the\nobject's features", width=150),
        "out": Box(800, 175, "Logits\n1/4, resized", "answer", 105),
    },
    (
        *chain("image", "conv", "plus", "hrnet", "ocr"),
        Arrow("maps.r", "fuse.l"),
        Arrow("fuse.r", "plus.b", via=((405, 175),)),
        Arrow("ocr.r", "out.t", via=((800, 70),)),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((800, 232), (80, 232))),
    ),
)

FOCALCLICK = Diagram(
    "FocalClick",
    860,
    330,
    {
        "target": Box(
            95, 70, "Target crop, 256 x 256\nimage, previous mask,\nclick disks", "plain", 170
        ),
        "seg": Box(315, 70, "Segmentor\nHRNet + OCR\nor SegFormer", width=150),
        "coarse": Box(510, 70, "Coarse logits\nand features", "value", 130),
        "find": Box(735, 70, "Focus box\naround the change\nthat holds the click", width=170),
        "focus": Box(95, 225, "Focus crop, 256 x 256\nimage, click disks", "plain", 170),
        "refine": Box(
            510,
            225,
            "Local refiner\nfeatures and coarse logits of\nthe crop (ROI align)",
            width=210,
        ),
        "out": Box(750, 225, "Answer\nreplaces the coarse one\nin the focus box", "answer", 170),
    },
    (
        *chain("target", "seg", "coarse", "find"),
        Arrow("coarse.b", "refine.t"),
        Arrow("focus.r", "refine.l", "at the resolution of the image"),
        Arrow("find.b", "focus.t", via=((735, 150), (95, 150))),
        Arrow("refine.r", "out.l"),
    ),
    (
        (
            30,
            310,
            "A mask to start from changes only in the region that was clicked (progressive merge).",
        ),
    ),
)

EMC = Diagram(
    "EMC-Click",
    860,
    350,
    {
        "first": Box(95, 70, "First click only\nimage, its disk", "plain", 150),
        "base": Box(310, 70, "Base\nHRNet + OCR or\nSegFormer: runs once", width=170),
        "features": Box(560, 60, "Features", "kept", 130),
        "guess": Box(560, 120, "First mask", "kept", 130),
        "all": Box(95, 225, "Every click\nimage, disks of\nall clicks, last mask", "plain", 150),
        "net": Box(
            470,
            225,
            "Correction network\n2K templates of object and background:\nattention and correlation",
            width=290,
        ),
        "out": Box(745, 225, "Logits\nthe whole mask, at 1/4", "answer", 170),
    },
    (
        *chain("first", "base"),
        Arrow("base.r", "features.l", via=((430, 70), (430, 60))),
        Arrow("base.r", "guess.l", via=((430, 70), (430, 120))),
        Arrow("features.r", "net.t", via=((655, 60), (655, 172), (470, 172))),
        Arrow("guess.b", "all.t", via=((560, 155), (95, 155))),
        Arrow("all.r", "net.l"),
        Arrow("net.r", "out.l"),
        Arrow(
            "out.b",
            "all.b",
            "last mask, kept with the features in the session",
            via=((745, 300), (95, 300)),
        ),
    ),
    ((30, 335, "A view that moved runs the base again, still guided by the first click alone."),),
)

FCFI = Diagram(
    "FCFI",
    860,
    350,
    {
        "image": Box(85, 70, "Image, click disks\n(previous mask)", "plain", 150),
        "body": Box(285, 70, "RITM's network\nup to its features", width=150),
        "features": Box(470, 70, "Features", "value", 100),
        "feedback": Box(85, 215, "Feedback\nthe last answer", "kept", 140),
        "focus": Box(
            300,
            215,
            "Focused correction\nnear the click: a place\nthat looks like it moves\nto its label",
            width=200,
        ),
        "one": Box(475, 215, "Feedback 1", "value", 100),
        "fusion": Box(
            640,
            140,
            "Collaborative fusion\nfeedback 2, and a gated\nresidual to the features",
            width=180,
        ),
        "rest": Box(765, 255, "Rest of RITM's\nnetwork", width=130),
        "out": Box(620, 300, "Logits", "answer", 90),
    },
    (
        *chain("image", "body", "features"),
        Arrow("features.r", "fusion.t", via=((640, 70),)),
        Arrow("features.b", "focus.t", via=((470, 130), (300, 130))),
        *chain("feedback", "focus", "one"),
        Arrow("one.r", "fusion.b", via=((640, 215),)),
        Arrow("fusion.r", "rest.t", "", via=((765, 140),)),
        Arrow("rest.b", "out.r", via=((765, 300),)),
        Arrow("out.l", "feedback.b", "feedback of the next click", via=((85, 300),)),
    ),
)

SIMPLECLICK = Diagram(
    "SimpleClick",
    860,
    250,
    {
        "image": Box(85, 70, "Image\n448 x 448", "plain", 120),
        "maps": Box(85, 175, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "embed": Box(250, 70, "Patch embedding\nof MAE", width=140),
        "embed2": Box(250, 175, "Patch embedding\nof its own", width=140),
        "plus": Box(365, 70, "+", "plain", 34),
        "vit": Box(480, 70, "Plain ViT\nwindow attention, 2 or 4\nblocks attend to all", width=170),
        "pyramid": Box(670, 70, "Simple pyramid\nthe last map at\n4, 2, 1 and 1/2 x", width=140),
        "mlp": Box(670, 175, "1x1 convolutions\nat the finest size", width=140),
        "out": Box(505, 175, "Logits\nresized", "answer", 100),
    },
    (
        *chain("image", "embed", "plus", "vit", "pyramid"),
        Arrow("maps.r", "embed2.l"),
        Arrow("embed2.r", "plus.b", via=((365, 175),)),
        Arrow("pyramid.b", "mlp.t"),
        Arrow("mlp.l", "out.r"),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((505, 232), (85, 232))),
    ),
)

FCANET = Diagram(
    "FCA-Net",
    860,
    270,
    {
        "image": Box(90, 70, "Image in [0, 1],\nGaussians of 10 px\n(+, -)", "plain", 150),
        "stem": Box(270, 70, "ResNet-101\nstem, stage 1", width=120),
        "fine": Box(410, 70, "Features\nstride 4", "value", 100),
        "deep": Box(545, 70, "Stages 2-4\nstride 16", width=110),
        "first": Box(90, 200, "First click\nGaussian of 30 px,\nany sign", "kept", 150),
        "branch": Box(410, 200, "First-click branch\nsix 3x3 convolutions", width=170),
        "head": Box(715, 70, "Atrous pyramid,\nthen features at\nstride 4", width=140),
        "out": Box(715, 200, "Logits\nresized", "answer", 110),
    },
    (
        *chain("image", "stem", "fine", "deep", "head"),
        Arrow("fine.b", "branch.t"),
        *chain("first", "branch"),
        Arrow("branch.r", "head.b", "512 channels", via=((625, 200), (625, 140), (715, 140))),
        Arrow("head.r", "out.r", via=((830, 70), (830, 200))),
    ),
    ((30, 256, "There is no previous mask: an answer depends only on the image and the clicks."),),
)

CDNET = Diagram(
    "CDNet",
    860,
    290,
    {
        "image": Box(85, 70, "Image\nnormalized", "plain", 110),
        "disks": Box(85, 190, "Click disks\n5 px (+, -)", "plain", 110),
        "net": Box(275, 70, "ResNet-34,\nDeepLabV3+ pyramid\nstride 8", width=160),
        "wide": Box(275, 190, "Click disks\n24 px (+, -)", "plain", 110),
        "feature": Box(
            490, 70, "Feature diffusion\nfrom clicks and sure places\nto similar ones", width=210
        ),
        "decoder": Box(720, 70, "Decoder\nwith stage 1,\nstride 4", width=130),
        "pixel": Box(
            490, 190, "Pixel diffusion\nfive times to pixels\nof similar color", width=190
        ),
        "out": Box(720, 190, "Logits\nof view and mirror\nimage, averaged", "value", 150),
        "answer": Box(490, 260, "Answer", "answer", 100, 28),
    },
    (
        *chain("image", "net", "feature", "decoder"),
        Arrow("disks.r", "net.b", via=((170, 190), (170, 130), (275, 130))),
        Arrow("wide.r", "feature.b", via=((370, 190), (370, 130), (490, 130))),
        Arrow("decoder.b", "out.t"),
        Arrow("out.l", "pixel.r"),
        Arrow("pixel.b", "answer.t"),
    ),
)

CLICK_ATTENTION = Diagram(
    "ClickAttention",
    860,
    300,
    {
        "image": Box(80, 70, "Image\nas a square", "plain", 110),
        "maps": Box(80, 180, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "embed": Box(225, 70, "Patch\nembedding", width=110),
        "embed2": Box(260, 180, "Patch embedding\nof its own", width=140),
        "plus": Box(330, 70, "+", "plain", 34),
        "one": Box(435, 70, "Stage 1\nMix Transformer", width=130),
        "later": Box(605, 70, "Stages 2, 3, 4\nself-attention", width=130),
        "head": Box(770, 70, "SegFormer\nhead", width=110),
        "affinity": Box(
            605,
            180,
            "Affinity, at each entrance\nall patches compared with\nthose clicked as object",
            width=210,
        ),
        "out": Box(790, 235, "Logits\n1/4, resized", "answer", 105),
    },
    (
        *chain("image", "embed", "plus", "one", "later", "head"),
        Arrow("maps.r", "embed2.l"),
        Arrow("embed2.r", "plus.b", via=((345, 180), (345, 130), (330, 130))),
        Arrow("affinity.t", "later.b", "paper", dashed=True),
        Arrow("head.b", "out.t", via=((770, 150), (790, 150))),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((790, 285), (80, 285))),
    ),
)

FBRS = Diagram(
    "f-BRS",
    860,
    260,
    {
        "view": Box(85, 70, "Image, click maps\nof the first clicks", "plain", 150),
        "front": Box(270, 70, "Network\nup to the insertion\npoint", width=150),
        "features": Box(430, 70, "Features", "kept", 100),
        "change": Box(430, 180, "Variables\nscale and bias per channel", "value", 200),
        "rest": Box(640, 70, "Rest of the\nnetwork", width=120),
        "out": Box(785, 70, "Logits", "answer", 90),
        "search": Box(755, 180, "L-BFGS\nerror at all clicks,\nand a penalty", width=160),
    },
    (
        *chain("view", "front", "features", "rest", "out"),
        Arrow("out.b", "search.t", via=((785, 120), (755, 120))),
        Arrow("search.l", "change.r", "at most 20 times"),
        Arrow("change.t", "features.b"),
    ),
    (
        (
            30,
            245,
            "f-BRS-A, -B and -C differ in the insertion point. RGB-BRS and DistMap-BRS"
            " change the input instead.",
        ),
    ),
)

CLICKSEG_BASELINE = Diagram(
    "ClickSEG's light baselines",
    860,
    250,
    {
        "image": Box(85, 70, "Target crop\n384 x 384", "plain", 120),
        "maps": Box(85, 175, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "stem": Box(245, 70, "First layer\nstride 2", width=110),
        "fuse": Box(275, 175, "Two 3x3 convolutions,\nlearned scale", width=170),
        "plus": Box(345, 70, "+", "plain", 34),
        "net": Box(470, 70, "MobileNetV2\nor PP-LCNet\nto stride 8", width=130),
        "head": Box(665, 70, "Lite R-ASPP\ntimes shares from the\nfour quarters", width=170),
        "out": Box(665, 175, "First guess,\nwith fine features: logits", "answer", 200),
    },
    (
        *chain("image", "stem", "plus", "net", "head"),
        Arrow("maps.r", "fuse.l"),
        Arrow("fuse.r", "plus.b", via=((375, 175), (375, 120), (345, 120))),
        Arrow("head.b", "out.t"),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((665, 232), (85, 232))),
    ),
)

CLICK_PYRAMID = Diagram(
    "ClickPyramid, the starter",
    860,
    250,
    {
        "image": Box(80, 70, "Image\n320 x 320", "plain", 110),
        "maps": Box(85, 175, "Previous mask,\nclick disks (+, -)", "plain", 140),
        "stem": Box(230, 70, "First convolution\nstride 2", width=130),
        "entry": Box(265, 175, "Two convolutions", width=140),
        "plus": Box(340, 70, "+", "plain", 34),
        "net": Box(465, 70, "EfficientNet-Lite0\nfeatures at strides\n4, 8, 16, 32", width=150),
        "head": Box(665, 70, "Light pyramid\nfrom coarse to fine,\ndepthwise 5x5", width=160),
        "out": Box(665, 175, "Logits\n4 per pixel at 1/4:\n1/2, resized", "answer", 150),
    },
    (
        *chain("image", "stem", "plus", "net", "head"),
        Arrow("maps.r", "entry.l"),
        Arrow("entry.r", "plus.b", via=((360, 175), (360, 120), (340, 120))),
        Arrow("head.b", "out.t"),
        Arrow("out.b", "maps.b", "previous mask of the next click", via=((665, 235), (85, 235))),
    ),
)

METHODS = {
    "cdnet.svg": CDNET,
    "click_attention.svg": CLICK_ATTENTION,
    "click_pyramid.svg": CLICK_PYRAMID,
    "clickseg_baseline.svg": CLICKSEG_BASELINE,
    "emc_click.svg": EMC,
    "fbrs.svg": FBRS,
    "fcanet.svg": FCANET,
    "fcfi.svg": FCFI,
    "focalclick.svg": FOCALCLICK,
    "ritm.svg": RITM,
    "simpleclick.svg": SIMPLECLICK,
}
