"""The interface of all methods. Read this file, then one method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round, Session


@dataclass(frozen=True)
class Adjustable:
    """A number or switch inside a network that users may safely change between clicks.

    Attributes:
        name: of the setting, in session files.
        place: the dotted path of the attribute in the network; a bool is a switch.
        low, high, step: of a number.
    """

    name: str
    label: str
    place: str
    low: float = 0
    high: float = 0
    step: float = 1
    hint: str = ""


@dataclass(frozen=True)
class Mode:
    """A way of answering clicks, chosen by name. A method's module lists its modes in ``MODES``.

    Attributes:
        name: the name in published evaluation scripts.
        needs: the required class of the network; without ``around``, the mode is one pass of it.
        around: makes the model that answers from the network, the number of clicks that the network
            sees (None: the mode's default) and the settings of the optimization by name (None: the
            published ones).
        fits: whether a network supports the mode.
    """

    name: str
    needs: type[ClickModel] | None = None
    around: Callable[[ClickModel, int | None, Mapping | None], ClickModel] | None = None
    fits: Callable[[ClickModel], bool] = lambda model: True


class ClickModel(nn.Module):
    """One paper: takes a ``Round``, answers with a ``Prediction``, and defines its own losses.

    It keeps nothing between calls: ``Prediction.state`` carries what the next click needs. A module
    in ``isegm.methods`` also has ``tiny() -> ClickModel``, an instance that runs in seconds on a
    CPU, for the contract tests, and may have ``MODES``, a tuple of ``Mode``.

    Attributes:
        protocol: the name of the method's published evaluation protocol, a file in
            ``configs/eval``.
        infer_with_grad: infer needs autograd, so the predictor must not use inference mode.
        insertion_points: where f-BRS can modify features; empty if the method cannot be split. A
            method with insertion points has, like RITM, ``inputs``, ``features`` and ``decode``,
            which make up ``forward``.
        shown_maps: the extras of a prediction that sessions keep for display; ``B C h w`` each, in
            [0, 1].
        prev_mask: whether the network is shown the previous mask, as an input or in its state.
        adjustable: settings of the network that users may change, beyond the protocol.
        noted: what the label of every protocol says of the model, e.g. ``("policy=single",)``;
            nothing if the checkpoint's hash says it all.
        foldable: whether ``for_evaluation`` prepares it; otherwise it is used as it is.
    """

    protocol: str = "ritm"
    infer_with_grad: bool = False
    insertion_points: tuple[str, ...] = ()
    shown_maps: tuple[str, ...] = ()
    prev_mask: bool = True
    adjustable: tuple[Adjustable, ...] = ()
    noted: tuple[str, ...] = ()
    foldable: bool = True

    @property
    def title(self) -> str:
        """The name of the method, for people."""
        return type(self).__name__

    @property
    def unwrapped(self) -> ClickModel:
        """The network inside a model that optimises around one; otherwise the model itself."""
        return self

    def forward(self, round_: Round) -> Prediction:
        """One differentiable round."""
        raise NotImplementedError(f"{type(self).__name__} must define forward(round_)")

    def encode_image(self, image: Tensor) -> Any:
        """The part of the network that sees the image alone, neither clicks nor a previous mask.

        The predictor keeps it in the session while the view stands still and passes it on as
        ``Round.features``. ``forward`` must answer the same without it.

        Args:
            image: ``B 3 H W`` float, RGB in [0, 1], as in ``Round.image``.

        Returns:
            None if there is no such part (the default); otherwise tensors, nested as in
                ``Prediction.state``, one row per row of the image.
        """
        return None

    def losses(self, pred: Prediction, target: Tensor, round_: Round) -> dict[str, Tensor]:
        """Named, already weighted scalar losses; the trainer sums and logs them.

        Args:
            target: ``B 1 H W`` float, 1 = object, 0 = background, -1 = ignored.
        """
        raise NotImplementedError(f"{type(self).__name__} must define losses(pred, target, round_)")

    def infer(self, round_: Round) -> Prediction:
        """One round at test time; override to optimise or to reuse a cache."""
        return self(round_)

    def trainable_state(self, state: Any) -> Any:
        """The part of a state, computed without gradients, to carry into the training round; the
        rest is recomputed there.
        """
        return state

    def refine(self, before: Session, after: Session, pred: Prediction) -> Session:
        """A second look at the full image.

        ``after`` holds the plain answer; return it or a changed copy.
        """
        return after

    def refine_many(
        self,
        before: Sequence[Session],
        after: Sequence[Session],
        pred: Prediction,
        **settings: float,
    ) -> list[Session]:
        """``refine`` for the sessions of one forward pass, whose answers are the rows of ``pred``;
        override it to batch them.

        Args:
            settings: the protocol's settings of the second look; unused by methods without one.
        """
        return [
            self.refine(b, a, pred.row(i))
            for i, (b, a) in enumerate(zip(before, after, strict=True))
        ]

    def lr_multiplier(self, name: str) -> float:
        """The factor on the base learning rate for the parameter ``name``."""
        return 1.0

    def load_pretrained(self, path: str) -> None:
        """Load backbone weights of another task, e.g. ImageNet classification, before training.

        By default the attribute ``backbone`` loads them.

        Raises:
            IsegmError: there is no such attribute, or it cannot load these weights.
        """
        load = getattr(getattr(self, "backbone", None), "load_pretrained", None)
        if load is None:
            raise IsegmError(
                f"{type(self).__name__} has no pretrained weights to load ({path}); set"
                " train.pretrained to null"
            )
        load(path)
