"""f-BRS (arXiv 2001.10331) and BRS (Jang and Kim, CVPR 2019): test-time optimisation that makes the
network agree with the clicks.

A network's answer may contradict some clicks. After every click, BRS minimises the error at the
clicked pixels by L-BFGS: over an offset to the image (``RGB-BRS``) or to the click maps
(``DistMap-BRS``) or, much faster, over a scale and a bias per channel of intermediate features
(``f-BRS-A``, ``-B``, ``-C``, ever closer to the output). It wraps a trained network of any method
with insertion points and does not change the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from isegm.core.clicks import PADDING, Clicks
from isegm.core.errors import IsegmError, unknown
from isegm.core.registry import Spec, build, spec
from isegm.core.rounds import Prediction, Round, Session, join_states, split_state
from isegm.methods.base import ClickModel, Mode
from isegm.methods.ritm import ritm_deeplab, ritm_hrnet
from isegm.nn.brs import BRSSettings, Objective, Variables, click_masks, minimise
from isegm.nn.clicks.fusion import RGBConv
from isegm.nn.heads.ocr import ocr_head

INPUTS = {"RGB-BRS": "image", "DistMap-BRS": "maps"}
FEATURES = {"f-BRS-A": "A", "f-BRS-B": "B", "f-BRS-C": "C"}


@dataclass(frozen=True)
class BRSState:
    """The state for the next click; one row per image, equal for a view and its mirror image.

    Attributes:
        variables: ``B n`` float64, the end point of L-BFGS.
        features: those before the insertion point if the next click can reuse them; otherwise
            empty.
        evaluations: ``B 1`` int64, evaluations of the objective for the last click.
    """

    variables: Tensor
    features: tuple[Tensor, ...]
    evaluations: Tensor


class FBRS(ClickModel):
    """Test-time optimisation around a network; trains exactly as that network does.

    Args:
        base: the network, with insertion points.
        mode: ``"RGB-BRS"``, ``"DistMap-BRS"``, ``"f-BRS-A"``, ``"f-BRS-B"`` or ``"f-BRS-C"``.
        clicks_limit: the network sees only this many clicks of either sign, the first ones; the
            optimisation sees all. Default and published: 8 for features, 5 for inputs.
        settings: by default the published ones.

    Raises:
        IsegmError: an unknown mode, a network without insertion points, or a limit below 1.
    """

    infer_with_grad = True

    def __init__(
        self,
        base: ClickModel,
        mode: str = "f-BRS-B",
        clicks_limit: int | None = None,
        settings: BRSSettings | None = None,
    ):
        super().__init__()
        if mode not in INPUTS | FEATURES:
            raise unknown("BRS mode", mode, INPUTS | FEATURES)
        if not base.insertion_points:
            raise IsegmError(
                f"{mode} optimizes inside a network, but {type(base).__name__} has no insertion"
                " points for that; use NoBRS"
            )
        if clicks_limit is not None and clicks_limit < 1:
            raise IsegmError(
                f"clicks_limit is {clicks_limit}; the network must see at least 1 click"
            )
        self.base, self.mode = base, mode
        self.clicks_limit = clicks_limit or (8 if mode in FEATURES else 5)
        self.settings = settings or BRSSettings()
        self.protocol, self.prev_mask = base.protocol, base.prev_mask

    @property
    def unwrapped(self) -> ClickModel:
        return self.base

    def forward(self, round_: Round) -> Prediction:
        return self.base(round_)

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        return self.base.losses(pred, target, round_)

    def refine(self, before: Session, after: Session, pred: Prediction) -> Session:
        return self.base.refine(before, after, pred)

    def lr_multiplier(self, name: str) -> float:
        return self.base.lr_multiplier(name.removeprefix("base."))

    def load_pretrained(self, path: str) -> None:
        """Load ImageNet weights into the backbone of the network."""
        self.base.load_pretrained(path)

    @torch.no_grad()
    def infer(self, round_: Round) -> Prediction:
        """Answer each session separately, so that a batch gives exactly the same as single
        sessions.

        ``Round.clicks`` must hold all clicks. ``aux["evaluations"]`` and ``state.evaluations``, ``B
        1``, count evaluations of the objective; 0 for a first click, which the network answers
        alone.
        """
        count = len(round_.image) // (2 if round_.mirrored else 1)
        answers = [self._answer(_session_of(round_, i, count)) for i in range(count)]
        state = join_states([a.state for a in answers], round_.mirrored)
        logits = join_states([a.logits for a in answers], round_.mirrored)
        return Prediction(logits, {"evaluations": state.evaluations}, state)

    def search(self, round_: Round) -> tuple[Variables, Tensor]:
        """The variables of one session (a row, or a view and its mirror image), and the start,
        ``n`` float64.
        """
        return self._feature_search(round_) if self.mode in FEATURES else self._input_search(round_)

    def _answer(self, round_: Round) -> Prediction:
        """Answer one session. The optimisation runs in float32, whatever the precision
        elsewhere.
        """
        variables, start = self.search(round_)
        evaluations, end = 0, start
        with torch.autocast(round_.image.device.type, enabled=False):
            if round_.clicks.label.shape[1] > 1:
                masks = click_masks(round_, self.settings.reach)
                objective = Objective(variables, *masks, self.settings)
                reached = minimise(objective, start.cpu().numpy(), self.settings)
                end = torch.from_numpy(reached).to(start)
                logits, evaluations = objective.best, objective.evaluations
            else:
                logits = variables.logits(start.float())
        rows = len(round_.image)
        counted = torch.full((rows, 1), evaluations, device=round_.image.device)
        return Prediction(logits, state=BRSState(end.expand(rows, -1), variables.kept, counted))

    def _feature_search(self, round_: Round) -> tuple[Variables, Tensor]:
        """Scale and bias at the insertion point, and the start. Unlike the features they are kept
        when the view changes.
        """
        point, state = FEATURES[self.mode], round_.state
        made = round_.clicks.label.shape[1]
        same_input = not round_.fresh_view and made > self.clicks_limit
        if state is not None and state.features and same_input:
            features = state.features
        else:
            features = tuple(x.float() for x in self.base.encode(self._shown(round_), point))
        # Only once the limit is reached does the network's input stay the same.
        kept = features if made >= self.clicks_limit else ()
        variables = ScaleAndBias(
            self.base, features, round_.image.shape[-2:], point, self.settings, kept
        )
        if state is None:
            return variables, round_.clicks.yx.new_zeros(2 * features[0].shape[1])
        return variables, state.variables[0]

    def _input_search(self, round_: Round) -> tuple[Variables, Tensor]:
        """The offset to the input, and the start. An offset is only valid in one view."""
        image, coords = self.base.inputs(self._shown(round_))
        variables = Offset(self.base, image, coords, INPUTS[self.mode], self.settings)
        if round_.state is None or round_.fresh_view:
            return variables, round_.clicks.yx.new_zeros(variables.shape.numel())
        return variables, round_.state.variables[0]

    def _shown(self, round_: Round) -> Round:
        return replace(round_, clicks=round_.clicks.first(self.clicks_limit))


def _mode(name: str) -> Mode:
    def around(model: ClickModel, clicks_limit: int | None, settings: Mapping | None) -> FBRS:
        return FBRS(model, name, clicks_limit, BRSSettings(**settings or {}))

    return Mode(name, around=around, fits=lambda model: bool(model.insertion_points))


MODES = tuple(_mode(name) for name in (*INPUTS, *FEATURES))


# --- what is optimised ---------------------------------------------------------------------------


@dataclass(frozen=True)
class ScaleAndBias:
    """Features times (1 + scale) plus bias, per channel; the first half of the variables are the
    scales.

    Attributes:
        features: those before the insertion point; the first is changed, ``rows C h w``.
        size: of the answer, (rows, columns).
    """

    base: ClickModel
    features: tuple[Tensor, ...]
    size: tuple[int, int]
    point: str
    settings: BRSSettings
    kept: tuple[Tensor, ...]

    def logits(self, x: Tensor) -> Tensor:
        scale, bias = x.view(2, 1, -1, 1, 1)
        changed, *rest = self.features
        return self.base.decode((changed * (1 + scale) + bias, *rest), self.size, self.point).logits

    def penalty(self, x: Tensor) -> Tensor:
        scale, bias = x.view(2, -1)
        weights = self.settings
        return weights.scale_weight * (scale**2).sum() + weights.bias_weight * (bias**2).sum()


@dataclass(frozen=True)
class Offset:
    """An offset to the normalised image or to the two click maps; mirrored for the mirror image.

    Attributes:
        image, coords: the inputs of the network, ``rows 3 H W`` and ``rows K H W``.
        target: ``"image"`` or ``"maps"``.
    """

    base: ClickModel
    image: Tensor
    coords: Tensor
    target: str
    settings: BRSSettings
    kept: tuple[Tensor, ...] = ()

    @property
    def shape(self) -> torch.Size:
        """Of the offset, ``1 3 H W`` or ``1 2 H W``."""
        return torch.Size((1, 3 if self.target == "image" else 2, *self.image.shape[-2:]))

    def logits(self, x: Tensor) -> Tensor:
        offset, image, coords = self._both(x), self.image, self.coords
        if self.target == "image":
            image = image + offset
        else:
            previous = coords.shape[1] - 2
            coords = torch.cat([coords[:, :previous], coords[:, previous:] + offset], 1)
        return self.base.decode(self.base.features(image, coords), self.image.shape[-2:]).logits

    def penalty(self, x: Tensor) -> Tensor:
        return self.settings.input_weight * (self._both(x) ** 2).sum()

    def _both(self, x: Tensor) -> Tensor:
        offset = x.view(self.shape)
        return offset if len(self.image) == 1 else torch.cat([offset, offset.flip(-1)])


def _session_of(round_: Round, index: int, count: int) -> Round:
    """Session ``index`` of a batch, its clicks without padding."""
    rows = [index, count + index] if round_.mirrored else [index]
    real = round_.clicks.label[index] != PADDING
    return replace(
        round_,
        image=round_.image[rows],
        clicks=Clicks(round_.clicks.yx[rows][:, real], round_.clicks.label[rows][:, real]),
        prev_prob=round_.prev_prob[rows],
        state=split_state(round_.state, index, count, round_.mirrored),
    )


# --- networks of the original code base --------------------------------------------------------

_NETWORK = {"prev_mask": False, "click_map": "distance", "click_radius": 260}


def fbrs_hrnet(width: int = 18, depth: str = "full", ocr_width: int = 64, **options: Any) -> Spec:
    """The spec of f-BRS' HRNet with OCR: distance maps, no previous mask, and classifiers that
    train at the full rate.

    Published: ``(18, "full", 64)`` and ``(32, "full", 128)``.
    """
    described = ritm_hrnet(
        width, depth, ocr_width, fusion=spec(RGBConv, in_channels=2), **(_NETWORK | options)
    )
    described["args"]["head"] = ocr_head(width, ocr_width, slow_classifiers=False)
    return described


def fbrs_deeplab(layers: int = 34, width: int = 128, **options: Any) -> Spec:
    """The spec of f-BRS' DeepLabV3+: distance maps, no previous mask. Published: ``(34, 128)``,
    ``(50, 128)``, ``(101, 256)``.

    ``options`` are those of ``ritm_deeplab``, e.g. ``dropout``.
    """
    return ritm_deeplab(layers, width, fusion=spec(RGBConv, in_channels=2), **(_NETWORK | options))


def tiny() -> FBRS:
    """An f-BRS-B that runs in milliseconds on a CPU, for tests."""
    return FBRS(build(fbrs_hrnet(width=8, depth="tiny", ocr_width=16)))
