"""The modes of f-BRS' and RITM's evaluation scripts: the network alone, or with test-time optimisation around it."""

from __future__ import annotations

from isegm.core.errors import unknown
from isegm.methods.base import ClickModel
from isegm.methods.fbrs import FBRS, FEATURES, INPUTS, BRSSettings

MODES = ("NoBRS", *INPUTS, *FEATURES)


def with_mode(
    model: ClickModel, mode: str, clicks_limit: int | None = None, settings: BRSSettings | None = None
) -> tuple[ClickModel, int | None]:
    """The model to answer with, and the ``clicks_limit`` of its ``Predictor``.

    Args:
        model: a network; for every mode but NoBRS it needs insertion points, as RITM's and f-BRS' have them. One that already
            has a BRS mode gets this one instead.
        mode: one of ``MODES``.
        clicks_limit: the network sees only the first so many clicks; None for all with NoBRS, and for the mode's published
            limit otherwise. A BRS mode applies it by itself, since its optimisation must see every click.
        settings: of the optimisation.

    Raises:
        IsegmError: an unknown mode, or one that the model cannot have.
    """
    if mode not in MODES:
        raise unknown("mode", mode, MODES)
    if isinstance(model, FBRS):
        model = model.base
    if mode == "NoBRS":
        return model, clicks_limit
    return FBRS(model, mode, clicks_limit, settings), None
