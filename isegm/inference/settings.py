"""What a user of the demo can change about how clicks are answered: only what the method supports.

Settings are a plain dictionary with one value per control. It is stored as JSON, so a recorded
session can be answered again.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from isegm.core.errors import IsegmError, unknown
from isegm.core.rounds import Session
from isegm.inference.cascade import MOST_PASSES
from isegm.inference.controls import Control, Settings
from isegm.inference.modes import PLAIN, fitting, with_mode
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import USER_THRESHOLD, Protocol
from isegm.inference.sis import CONNECTIVITIES, StructuralIntegrity
from isegm.methods.base import Adjustable, ClickModel

SHOWING = ("threshold", "sis")  # these only change what is shown of an answer


class Answering:
    """A model under a protocol, some of whose values are settings. All sessions share it.

    Args:
        model: a network; an optimization around it is ignored, since the mode is a setting.
        protocol: gives the settings their defaults.

    Attributes:
        controls: by name.
        defaults: the settings that follow the protocol, except for a limit on whole images and the
            threshold for people.

    Raises:
        IsegmError: two controls have the same name.
    """

    def __init__(self, model: ClickModel, protocol: Protocol) -> None:
        protocol = protocol.for_users()
        self.model = model.unwrapped
        self.protocol = protocol
        self.controls = _by_name(controls_of(self.model, protocol))
        self.defaults: Settings = {name: control.default for name, control in self.controls.items()}

    def checked(self, changes: Mapping[str, Any], settings: Settings | None = None) -> Settings:
        """``settings`` (by default ``defaults``) with changes.

        Raises:
            IsegmError: a setting that this method does not have, or a value out of range.
        """
        for name in changes:
            if name not in self.controls:
                raise unknown("setting", name, self.controls)
        checked = {name: self.controls[name].checked(value) for name, value in changes.items()}
        return {**(self.defaults if settings is None else settings), **checked}

    def adapted(self, settings: Mapping[str, Any]) -> Settings:
        """``checked`` for the settings that this method has; ``lacking`` lists the others."""
        return self.checked({n: value for n, value in settings.items() if n in self.controls})

    def lacking(self, settings: Iterable[Mapping[str, Any]]) -> list[str]:
        """The settings among these that this method does not have."""
        return sorted({name for one in settings for name in one} - self.controls.keys())

    def predictor(self, settings: Settings, go_on: Callable[[], None] = lambda: None) -> Predictor:
        """The predictor for these settings; cheap, since weights are shared.

        Args:
            go_on: called now and then while a slow mode works on an answer; an exception ends it.
        """
        protocol = replace(self.protocol, sis=None, mirror=settings["mirror"])
        if "focus" in settings:
            protocol = replace(protocol, refine={**protocol.refine, "expansion": settings["focus"]})
        if "cfr" in settings:
            passes = settings["cfr"]
            cfr = {**protocol.cfr, "passes": passes} if passes else {}
            protocol = replace(protocol, cfr=cfr)
        search = {"threshold": protocol.mask_threshold, "go_on": go_on}
        if "iterations" in settings:
            spent = settings["iterations"]
            search |= {"evaluations": spent, "iterations": 2 * spent}
        model = adjusted(self.model, settings)
        mode, limit = settings.get("mode", PLAIN[0]), settings["net_clicks"] or None
        model, limit = with_mode(model, mode, limit, search)
        return protocol.predictor(model, self.protocol.rule.adjusted(settings), clicks_limit=limit)

    def shown(self, session: Session, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Probability (``H W`` float32) and mask (``H W`` bool) as the user sees them."""
        threshold = settings["threshold"]
        if settings["sis"] and session.clicks:
            session = StructuralIntegrity(settings["sis"], threshold)(session)
        prob = session.prob[0, 0].float().cpu().numpy()
        return prob, prob > threshold


def controls_of(model: ClickModel, protocol: Protocol) -> list[Control]:
    """The controls that a method has under a protocol."""
    choices = (0, *CONNECTIVITIES)
    answer = [
        Control("threshold", "Threshold", "number", USER_THRESHOLD, 0.05, 0.95, 0.01,
                hint="Mask where the probability is above"),
        Control("net_clicks", "Network clicks", "whole", 0, 0, 100,
                hint="The network sees only the first clicks, up to this many; 0: all"),
        Control("mirror", "Average with mirror image", "toggle", protocol.mirror,
                hint="Slightly better, twice the time"),
        Control("sis", "Keep connected parts", "choice", protocol.sis or 0, choices=choices),
    ]  # fmt: skip
    modes = fitting(model)
    if modes:
        hint = f"All but {PLAIN[0]} optimize the answer until it agrees with the clicks"
        mode = Control("mode", "Mode", "choice", PLAIN[0], choices=(PLAIN[0], *modes), hint=hint)
        hint = "Per click, in modes that optimize"
        spent = Control("iterations", "L-BFGS iterations", "whole", 20, 1, 100, hint=hint)
        answer = [mode, spent, *answer]
    if model.prev_mask:
        hint = "After each answer, the network is asked again with its answer as previous mask"
        passes = protocol.cfr.get("passes", 0)
        most = max(passes, MOST_PASSES)
        answer.append(Control("cfr", "Extra passes", "whole", passes, 0, most, hint=hint))
    answer += [_inside(model, adjustable) for adjustable in model.adjustable]
    answer += protocol.rule.controls()
    if "expansion" in protocol.refine:
        ratio, hint = protocol.refine["expansion"], "Of the second look"
        focus = Control("focus", "Focus crop ratio", "number", ratio, 1, 4, 0.1, (), "View", hint)
        answer.append(focus)
    return answer


def _by_name(controls: Iterable[Control]) -> dict[str, Control]:
    named: dict[str, Control] = {}
    for control in controls:
        if control.name in named:
            taken = f"{named[control.name].label!r} and {control.label!r}"
            raise IsegmError(f"two controls are called {control.name}: {taken}; rename the new one")
        named[control.name] = control
    return named


def _inside(model: ClickModel, part: Adjustable) -> Control:
    value = operator.attrgetter(part.place)(model)
    if isinstance(value, bool):
        return Control(part.name, part.label, "toggle", value, hint=part.hint)
    # Whatever the network was trained with is allowed.
    low, high = min(part.low, value), max(part.high, value)
    return Control(part.name, part.label, "number", value, low, high, part.step, hint=part.hint)


def adjusted(model: ClickModel, settings: Settings) -> ClickModel:
    """The network with adjustable values from the settings: a copy that shares the weights, or the
    network itself if nothing differs.
    """
    changes = [
        (part.place, settings[part.name])
        for part in model.adjustable
        if settings[part.name] != operator.attrgetter(part.place)(model)
    ]
    if not changes:
        return model
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copied = copy.deepcopy(model, shared)
    for place, value in changes:
        module, _, name = place.rpartition(".")
        setattr(copied.get_submodule(module), name, value)
    return copied
