"""What a person at a screen can change about how clicks are answered: only what the loaded method has.

Settings are a plain dictionary, one value per control: they travel as JSON, and a recorded session can be answered again.
"""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from isegm.core.errors import IsegmError, unknown
from isegm.core.rounds import Session
from isegm.inference.modes import with_mode
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import USER_THRESHOLD, Protocol
from isegm.inference.sis import CONNECTIVITIES, StructuralIntegrity
from isegm.inference.zoom import ZoomIn
from isegm.methods.base import Adjustable, ClickModel
from isegm.methods.fbrs import FBRS, FEATURES, INPUTS
from isegm.nn.brs import BRSSettings, always

Settings = dict[str, Any]
MAX_SIZE = 800  # RITM's demo
NEVER = 1000  # clicks without a crop: more than anybody makes
SHOWING = ("threshold", "sis")  # these only change what is shown of an answer


@dataclass(frozen=True)
class Control:
    """One setting.

    Attributes:
        kind: "choice", "toggle", "whole" or "number".
        default: its value at first. 0 stands for "no limit" where ``low`` is 0.
        low, high, step: of numbers.
        choices: of a choice.
        group: what it belongs to, for the layout.
    """

    name: str
    label: str
    kind: str
    default: Any
    low: float = 0
    high: float = 0
    step: float = 1
    choices: tuple[Any, ...] = ()
    group: str = "Answer"
    hint: str = ""

    def checked(self, value: Any) -> Any:
        """The value, if it is one that this control can have.

        Raises:
            IsegmError: of another type or out of range.
        """
        if self.kind == "choice":
            if type(value) not in (str, int) or value not in self.choices:
                raise unknown(self.name, str(value), map(str, self.choices))
            return value
        if self.kind == "toggle":
            if not isinstance(value, bool):
                raise IsegmError(f"{self.name}={value!r:.40}: expected true or false")
            return value
        kinds = (int,) if self.kind == "whole" else (int, float)
        if type(value) not in kinds or not self.low <= value <= self.high:
            raise IsegmError(
                f"{self.name}={value!r:.40}: expected a {self.kind} {'' if self.kind == 'number' else 'number '}"
                f"from {self.low:g} to {self.high:g}"
            )
        return value


class Answering:
    """A model under a protocol, with settings in place of some of the protocol's values. Shared by all sessions.

    Args:
        model: a network; of a BRS wrapper the network inside is taken, the mode being a setting.
        protocol: where settings have their defaults from, and all that is no setting.

    Attributes:
        controls: by name.
        defaults: the settings that do as the protocol does, but for a limit on whole images and a threshold for people.
    """

    def __init__(self, model: ClickModel, protocol: Protocol) -> None:
        protocol = protocol.for_users()
        self.model = model.base if isinstance(model, FBRS) else model
        self.protocol = protocol
        self.controls = {control.name: control for control in controls_of(self.model, protocol)}
        self.defaults: Settings = {name: control.default for name, control in self.controls.items()}

    def checked(self, changes: Mapping[str, Any], settings: Settings | None = None) -> Settings:
        """``settings`` (by default the defaults) with changes.

        Raises:
            IsegmError: a setting that this method does not have, or a value that it cannot have.
        """
        for name in changes:
            if name not in self.controls:
                raise unknown("setting", name, self.controls)
        checked = {name: self.controls[name].checked(value) for name, value in changes.items()}
        return {**(self.defaults if settings is None else settings), **checked}

    def adapted(self, settings: Mapping[str, Any]) -> Settings:
        """``checked`` for settings of any method: those that this one lacks are left out, see ``lacking``."""
        return self.checked({name: value for name, value in settings.items() if name in self.controls})

    def lacking(self, settings: Iterable[Mapping[str, Any]]) -> list[str]:
        """The settings among these that this method does not have."""
        return sorted({name for one in settings for name in one} - self.controls.keys())

    def predictor(self, settings: Settings, go_on: Callable[[], None] = always) -> Predictor:
        """The predictor for these settings; cheap, weights are shared.

        Args:
            go_on: called now and then while a slow mode works on an answer; what it raises ends that.
        """
        protocol = replace(self.protocol, sis=None, mirror=settings["mirror"], **self._sight(settings))
        if "focus" in settings:
            protocol = replace(protocol, refine={**protocol.refine, "expansion": settings["focus"]})
        brs = None
        if "iterations" in settings:
            spent = settings["iterations"]
            brs = BRSSettings(threshold=protocol.mask_threshold, evaluations=spent, iterations=2 * spent, go_on=go_on)
        model = adjusted(self.model, settings)
        model, limit = with_mode(model, settings.get("mode", "NoBRS"), settings["net_clicks"] or None, brs)
        return protocol.predictor(model, clicks_limit=limit)

    def shown(self, session: Session, settings: Settings) -> tuple[np.ndarray, np.ndarray]:
        """Probability (``H W`` float32) and mask (``H W`` bool) as the user sees them."""
        threshold = settings["threshold"]
        if settings["sis"] and session.clicks:
            session = StructuralIntegrity(settings["sis"], threshold)(session)
        prob = session.prob[0, 0].float().cpu().numpy()
        return prob, prob > threshold

    def _sight(self, settings: Settings) -> dict[str, Any]:
        """The sections ``zoom`` and ``whole`` of the protocol."""
        old, limit = self.protocol.zoom, settings.get("max_size")
        if old is None:
            size = {"size": settings["size"]} if "size" in settings else {"max_size": limit}
            return {"whole": {**self.protocol.whole, **size}}
        zoom = {**old, "max_size": limit, "skip_clicks": settings["skip_clicks"], "expansion": settings["expansion"]}
        if any(settings[name] != self.defaults[name] for name in ("size", "fixed_crop")):
            zoom["size"] = [settings["size"]] * 2 if settings["fixed_crop"] else settings["size"]
        if settings["zoom_in"]:
            return {"zoom": zoom}
        return (
            {"zoom": {**zoom, "skip_clicks": NEVER}}
            if old.get("resize_whole")
            else {"zoom": None, "whole": {"max_size": limit}}
        )


def controls_of(model: ClickModel, protocol: Protocol) -> list[Control]:
    """The controls that a method has under a protocol."""
    answer = [
        Control(
            "threshold", "Threshold", "number", USER_THRESHOLD, 0.05, 0.95, 0.01, hint="Mask where the probability is above"
        ),
        Control("net_clicks", "Network clicks", "whole", 0, 0, 100, hint="The network sees only the first so many; 0: all"),
        Control("mirror", "Average with mirror image", "toggle", protocol.mirror, hint="Slightly better, twice the time"),
        Control("sis", "Keep connected parts", "choice", protocol.sis or 0, choices=(0, *CONNECTIVITIES)),
    ]
    if model.insertion_points:
        modes = ("NoBRS", *INPUTS, *FEATURES)
        mode = Control("mode", "Mode", "choice", "NoBRS", choices=modes, hint="BRS: also optimise until the clicks agree")
        spent = Control("iterations", "L-BFGS iterations", "whole", 20, 1, 100, hint="Of BRS modes, per click")
        answer = [mode, spent, *answer]
    answer += [_inside(model, adjustable) for adjustable in model.adjustable]
    if protocol.zoom is None:
        return answer + _whole_controls(protocol)
    return answer + _zoom_controls(protocol, protocol.predictor(model).zoom)


def _whole_controls(protocol: Protocol) -> list[Control]:
    size = protocol.whole.get("size")
    if size is None:
        return [_limit(protocol.whole.get("max_size"))]
    if not isinstance(size, int):
        return []
    return [Control("size", "Shorter side", "whole", size, 32, 2048, 32, group="View", hint="Pixels that the network sees")]


def _zoom_controls(protocol: Protocol, zoom: ZoomIn) -> list[Control]:
    fixed = not isinstance(zoom.size, int)
    side = zoom.size[0] if fixed else zoom.size
    cropping = zoom.skip_clicks < NEVER
    found = [
        Control("zoom_in", "Zoom in", "toggle", cropping, group="View", hint="Crop to the object"),
        Control("skip_clicks", "Skip clicks", "whole", zoom.skip_clicks if cropping else 1, -1, 20, group="View",
                hint="Clicks before the first crop; -1: crop from the start"),
        Control("size", "Target size", "whole", side, 32, 2048, 16, group="View", hint="Longer side of a crop, in pixels"),
        Control("expansion", "Expand ratio", "number", zoom.expansion, 1, 4, 0.1, group="View", hint="Crop around the object"),
        Control("fixed_crop", "Fixed crop", "toggle", fixed, group="View", hint="Every crop as a square"),
    ]  # fmt: skip
    if "expansion" in protocol.refine:
        focus = protocol.refine["expansion"]
        found.append(Control("focus", "Focus crop ratio", "number", focus, 1, 4, 0.1, group="View", hint="Of the second look"))
    return found if zoom.resize_whole else [*found, _limit(zoom.max_size)]


def _inside(model: ClickModel, found: Adjustable) -> Control:
    value = operator.attrgetter(found.place)(model)
    if isinstance(value, bool):
        return Control(found.name, found.label, "toggle", value, hint=found.hint)
    low, high = min(found.low, value), max(found.high, value)  # whatever the network was trained with is allowed
    return Control(found.name, found.label, "number", value, low, high, found.step, hint=found.hint)


def _limit(max_size: int | None) -> Control:
    # As for other views, the largest is what memory can be expected to hold: of a server others use too.
    hint = "Of whole images, in pixels"
    return Control("max_size", "Limit longest side", "whole", max_size or MAX_SIZE, 50, 2048, 50, group="View", hint=hint)


def as_json(controls: Mapping[str, Control]) -> list[dict[str, Any]]:
    return [asdict(control) for control in controls.values()]


def adjusted(model: ClickModel, settings: Settings) -> ClickModel:
    """The network with these values where it is adjustable: a copy that shares its weights, or itself if nothing differs."""
    changes = [
        (found.place, settings[found.name])
        for found in model.adjustable
        if settings[found.name] != operator.attrgetter(found.place)(model)
    ]
    if not changes:
        return model
    shared = {id(tensor): tensor for tensor in (*model.parameters(), *model.buffers())}
    copied = copy.deepcopy(model, shared)
    for place, value in changes:
        part, _, name = place.rpartition(".")
        setattr(copied.get_submodule(part), name, value)
    return copied
