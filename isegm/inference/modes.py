"""The modes of published evaluation scripts: the network alone, or with test-time optimisation around it."""

from __future__ import annotations

from isegm.core.errors import IsegmError, unknown
from isegm.methods.base import ClickModel
from isegm.methods.cdnet import CDNet
from isegm.methods.clickseg_baseline import ClickSEGBaseline
from isegm.methods.emc_click import EMCClick
from isegm.methods.fbrs import FBRS, FEATURES, INPUTS
from isegm.methods.focalclick import FocalClick
from isegm.nn.brs import BRSSettings

# What the scripts of ClickSEG and EMC-Click call NoBRS with a network of one method.
OF_METHODS = {"FocalClick": FocalClick, "CDNet": CDNet, "Baseline": ClickSEGBaseline, "EMC-Click": EMCClick}
PLAIN = ("NoBRS", *OF_METHODS)  # one pass of the network, all the same
MODES = (*PLAIN, *INPUTS, *FEATURES)


def with_mode(
    model: ClickModel, mode: str, clicks_limit: int | None = None, settings: BRSSettings | None = None
) -> tuple[ClickModel, int | None]:
    """The model to answer with, and the ``clicks_limit`` of its ``Predictor``.

    Args:
        model: a network; for a BRS mode it needs insertion points, as RITM's and f-BRS' have them. One that already has a BRS
            mode gets this one instead.
        mode: one of ``MODES``.
        clicks_limit: the network sees only the first so many clicks; None for all with the network alone, and for the
            mode's published limit otherwise. A BRS mode applies it by itself, since its optimisation must see every click.
        settings: of the optimisation.

    Raises:
        IsegmError: an unknown mode, or one that the model cannot have.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if isinstance(model, FBRS):
        model = model.base
    if mode in OF_METHODS and not isinstance(model, OF_METHODS[mode]):
        needed, given = OF_METHODS[mode].__name__, type(model).__name__
        raise IsegmError(f"mode {mode} needs a network of {needed}, the checkpoint holds {given}; use NoBRS")
    if mode in PLAIN:
        return model, clicks_limit
    return FBRS(model, mode, clicks_limit, settings), None
