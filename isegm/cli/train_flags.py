"""Flags of ``isegm train`` that are short for ``--set``: RITM's and FCFI's names for settings."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from isegm.core.errors import IsegmError
from isegm.core.registry import Spec, leaves
from isegm.utils.overrides import Overrides


@dataclass(frozen=True)
class Flag:
    """``--name VALUE`` stands for ``--set section.key=VALUE``.

    Without a type it takes no value and sets true.
    """

    name: str
    section: str
    key: str
    kind: type | None
    note: str


FLAGS = (
    Flag("max-num-next-clicks", "clicks", "max_rounds", int, "simulated corrections at most"),
    Flag(
        "checkpoint-interval",
        "train",
        "checkpoint_interval",
        int,
        "epochs between checkpoints that are kept",
    ),
    Flag(
        "first-click-center",
        "data",
        "first_click_center",
        None,
        "the first sampled click lies in the middle of the object",
    ),
    Flag("update-num", "model", "feedback.updates", int, "FCFI: rounds of the collaborative fusion"),
    Flag(
        "expansion-ratio",
        "model",
        "feedback.expansion",
        float,
        "FCFI: size of the window around a click, over the view's",
    ),
    Flag("mid-ch", "model", "feedback.width", int, "FCFI: channels of the feedback modules"),
)
PREVIOUS_MASK = {
    "prev_mask": True,
    "fusion.in_channels": 3,
    "feedback.coords": 3,
}  # what shows it to a network


def add_short_flags(parser: argparse.ArgumentParser) -> None:
    """Every flag can be written with hyphens, or with underscores as the original scripts do."""
    for flag in FLAGS:
        names = dict.fromkeys((f"--{flag.name}", f"--{flag.name.replace('-', '_')}"))
        kind = {"action": "store_true"} if flag.kind is None else {"type": flag.kind}
        parser.add_argument(*names, **kind, help=flag.note)
    parser.add_argument(
        "--with-prev-mask",
        "--with_prev_mask",
        action="store_true",
        help="show the network the previous mask",
    )


def given_flags(args: argparse.Namespace, model: Spec | None, script: Path) -> Overrides:
    """What the flags on the command line change, as ``parse_overrides`` would say it.

    Args:
        model: the experiment's spec of its network; None if it has none at module level.

    Raises:
        IsegmError: a flag is about a part that the experiment's network does not have.
    """
    known = {path for path, _ in leaves(model)} if model else set()
    changes: Overrides = {}
    for flag in FLAGS:
        value = getattr(args, flag.name.replace("-", "_"))
        if value is None or value is False:
            continue
        if flag.section == "model" and flag.key not in known:
            raise IsegmError(
                f"--{flag.name} sets model.{flag.key}, which the network of {script} does not have;"
                " leave it out, or train an"
                " experiment of models/fcfi"
            )
        changes.setdefault(flag.section, {})[flag.key] = value
    if args.with_prev_mask:
        shown = {path: value for path, value in PREVIOUS_MASK.items() if path in known}
        if not shown:
            raise IsegmError(f"--with-prev-mask: the network of {script} cannot take the previous mask; leave it out")
        changes.setdefault("model", {}).update(shown)
    return changes
