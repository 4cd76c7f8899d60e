"""The modes of published evaluation scripts: the network alone, or with test-time optimisation around it."""

from __future__ import annotations

from isegm.core.errors import IsegmError, unknown
from isegm.methods.base import ClickModel
from isegm.methods.emc_click import EMCClick
from isegm.methods.fbrs import FBRS, FEATURES, INPUTS
from isegm.nn.brs import BRSSettings

PLAIN = ("NoBRS", "EMC-Click")  # the same; the second is what EMC-Click's script calls it
MODES = (*PLAIN, *INPUTS, *FEATURES)


def with_mode(
    model: ClickModel, mode: str, clicks_limit: int | None = None, settings: BRSSettings | None = None
) -> tuple[ClickModel, int | None]:
    """The model to answer with, and the ``clicks_limit`` of its ``Predictor``.

    Args:
        model: a network; for every mode but NoBRS it needs insertion points, as RITM's and f-BRS' have them. One that already
            has a BRS mode gets this one instead.
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
    if mode == "EMC-Click" and not isinstance(model, EMCClick):
        raise IsegmError(f"mode EMC-Click needs a network of EMC-Click, the checkpoint holds {type(model).__name__}; use NoBRS")
    if mode in PLAIN:
        return model, clicks_limit
    return FBRS(model, mode, clicks_limit, settings), None
