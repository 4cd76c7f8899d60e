"""Controls: settings that a person at a screen can change, as values that travel as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from isegm.core.errors import IsegmError, unknown

Settings = dict[str, Any]


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
                f"{self.name}={value!r:.40}: expected a {self.kind}"
                f" {'' if self.kind == 'number' else 'number '}from {self.low:g} to {self.high:g}"
            )
        return value


def as_json(controls: Mapping[str, Control]) -> list[dict[str, Any]]:
    return [asdict(control) for control in controls.values()]
