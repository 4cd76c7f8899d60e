"""A stranger's model in a Python file: ``start(image) -> state`` and
``click(state, y, x, positive) -> (prob, state)``.
"""

from __future__ import annotations

import importlib.util
import inspect
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from isegm.core.clicks import Click
from isegm.core.errors import IsegmError
from isegm.foreign.base import Adapter, Answered, Asked, logits_of

START, CLICK, MANY = "start", "click", "click_many"
FORMS = {START: "start(image)", CLICK: "click(state, y, x, positive)"}
PROBE = (48, 64)  # rows and columns of the image that a plugin is tried on
SAME = 1e-4  # two answers to the same click, on hardware that rounds differently each time


class Plugin(Adapter):
    """The functions of a file behind our interface; one call at a time, since a stranger's model
    need not be safe for threads.

    ``click_many(states, ys, xs, positives) -> [(prob, state), ...]`` is used, if the file has it,
    where several sessions on images of one size wait.
    """

    def __init__(self, name: str, functions: dict[str, Callable]) -> None:
        self.name, self._functions = name, functions
        self._turn = threading.Lock()

    @classmethod
    def load(cls, path: Path) -> Plugin:
        """Import a file, and try it on a small image.

        Raises:
            IsegmError: there is no such file, it cannot be imported, lacks a function, or answers
                the trial clicks wrongly.
        """
        module = _imported(path)
        functions = {name: _function(module, name, path) for name in (START, CLICK)}
        if callable(many := getattr(module, MANY, None)):
            functions[MANY] = many
        plugin = cls(path.name, functions)
        plugin.check()
        return plugin

    def encode(self, image: np.ndarray) -> Any:
        image.flags.writeable = False
        with self._turn:
            return self._called(START, image)

    def answer(self, asked: Sequence[Asked]) -> list[Answered]:
        ready = [each for each in asked if len(each.clicks) == 1 + _count(each)]
        if MANY in self._functions and len(ready) == len(asked) > 1:
            return self._together(asked)
        return [self._one(each) for each in asked]

    def check(self) -> None:
        """Answer the same two clicks twice.

        Raises:
            IsegmError: an invalid answer, or two different ones.
        """
        image = np.random.default_rng(0).integers(0, 256, (*PROBE, 3), dtype=np.uint8)
        first, second = Click(20, 30, True), Click(5, 8, False)
        probs = []
        start = Asked(self.encode(image), PROBE, (first,), torch.zeros(PROBE))
        for _ in range(2):
            answer = self._one(start)
            prob = answer.logits.sigmoid()
            again = Asked(start.encoding, PROBE, (first, second), prob, answer.state)
            probs.append([prob, self._one(again).logits.sigmoid()])
            probs[-1].append(self._one(again).logits.sigmoid())
        answers = [[row[0] for row in probs], [p for row in probs for p in row[1:]]]
        for same in answers:
            moved = max(float((prob - same[0]).abs().max()) for prob in same)
            if moved > SAME:
                raise IsegmError(
                    f"{self.name}: the same click on the same state was answered differently, by up"
                    f" to {moved:.2g}. Undo and several objects on one image need the same answer:"
                    " click must not change the state it is given (return a changed copy), and"
                    " random numbers need a fixed seed"
                )

    def _one(self, asked: Asked) -> Answered:
        done, state = asked.state or (0, asked.encoding)
        logits = logits_of(asked.prob)
        for click in asked.clicks[done:]:
            with self._turn:
                answer = self._called(CLICK, state, click.y, click.x, click.positive)
            prob, state = _pair(answer, f"{self.name}: {CLICK}")
            logits = logits_of(checked_prob(prob, asked.size, f"{self.name}: {CLICK}"))
        return Answered(logits, (len(asked.clicks), state))

    def _together(self, asked: Sequence[Asked]) -> list[Answered]:
        states = [each.encoding if each.state is None else each.state[1] for each in asked]
        newest = [each.clicks[-1] for each in asked]
        columns = ([getattr(c, part) for c in newest] for part in ("y", "x", "positive"))
        with self._turn:
            answers = self._called(MANY, states, *columns)
        where = f"{self.name}: {MANY}"
        if not isinstance(answers, (list, tuple)) or len(answers) != len(asked):
            raise IsegmError(
                f"{where} returned {_shown(answers)} for {len(asked)} clicks; expected a list of as"
                " many pairs (prob, state)"
            )
        pairs = [_pair(answer, where) for answer in answers]
        return [
            Answered(logits_of(checked_prob(prob, each.size, where)), (len(each.clicks), state))
            for each, (prob, state) in zip(asked, pairs, strict=True)
        ]

    def _called(self, name: str, *args: Any) -> Any:
        try:
            return self._functions[name](*args)
        except Exception as error:  # whatever a stranger's code raises, the user should know where
            what = f"{self.name}: {name} raised {type(error).__name__}"
            raise IsegmError(f"{what}: {_first_line(error)} ({_line_of(error)})") from error


def checked_prob(prob: Any, size: tuple[int, int], where: str) -> Tensor:
    """A stranger's probabilities as ``H W`` float32.

    Raises:
        IsegmError: they are no map of this size with values from 0 to 1.
    """
    if isinstance(prob, Tensor):
        prob = prob.detach().cpu()
    try:
        # A copy: the array is the stranger's, who may write into it again, or may forbid us to.
        values = torch.tensor(np.asarray(prob)).float()
    except (TypeError, ValueError) as error:
        raise IsegmError(f"{where} returned {_shown(prob)} as prob: {_first_line(error)}") from None
    if tuple(values.shape) != tuple(size):
        raise IsegmError(
            f"{where} returned a prob of shape {tuple(values.shape)} for an image of {size[0]} rows"
            f" and {size[1]} columns; expected {tuple(size)}: one probability per pixel"
        )
    if values.isnan().any():
        raise IsegmError(
            f"{where} returned a prob with {int(values.isnan().sum())} NaN; expected numbers from 0"
            " to 1: look for a division by zero"
        )
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > 1:
        raise IsegmError(
            f"{where} returned a prob from {low:.4g} to {high:.4g}; expected 0 to 1: apply a"
            " sigmoid to logits, divide bytes by 255"
        )
    return values


def _count(asked: Asked) -> int:
    return 0 if asked.state is None else asked.state[0]


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise IsegmError(f"plugin {path}: there is no such file; expected a .py with {_wanted()}")
    spec = importlib.util.spec_from_file_location(f"plugin_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise IsegmError(f"plugin {path} is no Python file; expected a .py with {_wanted()}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise IsegmError(
            f"plugin {path} cannot be imported: {type(error).__name__}: {_first_line(error)}"
            f" ({_line_of(error)})"
        ) from error
    return module


def _function(module: ModuleType, name: str, path: Path) -> Callable:
    function = getattr(module, name, None)
    if not callable(function):
        raise IsegmError(f"plugin {path} has no function {name}; expected {_wanted()}")
    try:
        inspect.signature(function).bind(*range(FORMS[name].count(",") + 1))
    except ValueError:
        return function  # compiled code does not say what it takes
    except TypeError:
        raise IsegmError(
            f"plugin {path}: {name}{inspect.signature(function)} does not take the arguments of"
            f" {FORMS[name]}"
        ) from None
    return function


def _pair(answer: Any, where: str) -> tuple[Any, Any]:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        raise IsegmError(f"{where} returned {_shown(answer)}; expected a pair (prob, state)")
    return answer[0], answer[1]


def _wanted() -> str:
    return f"{FORMS[START]} -> state and {FORMS[CLICK]} -> (prob, state)"


def _shown(value: Any) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    length = f" of {len(value)}" if isinstance(value, (tuple, list)) else ""
    return f"{type(value).__name__}{length}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no message"])[0]


def _line_of(error: BaseException) -> str:
    """Where in the stranger's code it happened: the innermost line of the traceback."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return "no line"
    return f"{Path(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"
