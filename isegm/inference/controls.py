"""Controls: settings that a user of the demo can change, stored as JSON."""

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
        default: the initial value.
        low, high, step: of numbers.
        choices: of a choice.
        group: the heading that the control is shown under.
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
        """The value, if the control accepts it.

        Raises:
            IsegmError: it has another type or is out of range.
        """
        if self.kind == "choice":
            if type(value) not in (str, int) or value not in self.choices:
                raise unknown(self.name, str(value), map(str, self.choices))
            return value
        if self.kind == "toggle":
            if not isinstance(value, bool):
                raise IsegmError(f"{self.name}={value!r:.40}: expected true or false")
            return value
        whole = self.kind == "whole"
        if type(value) not in ((int,) if whole else (int, float)) or not (
            self.low <= value <= self.high
        ):
            kind = "whole number" if whole else "number"
            raise IsegmError(
                f"{self.name}={value!r:.40}: expected a {kind} from {self.low:g} to {self.high:g}"
            )
        return value


def as_json(controls: Mapping[str, Control]) -> list[dict[str, Any]]:
    return [asdict(control) for control in controls.values()]
