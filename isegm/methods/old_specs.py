"""Specs in files that earlier versions of this package wrote, in the terms of this one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from isegm.core.registry import is_spec, resolve, spec
from isegm.methods.ritm import click_maps
from isegm.nn.clicks.gaussians import Gaussians

FOLDERS = {"isegm.nn.encoders.fusion": "isegm.nn.clicks.fusion"}  # old module: where its parts are
RADIUS = ("click_map", "click_radius")
WIDTHS = {"click_width": "clicks", "first_click_width": "first_clicks"}  # FCA-Net's


def upgraded(described: Any) -> Any:
    """The same model, with click maps as parts instead of names and numbers.

    Args:
        described: a spec, or what stands in its place in a damaged file. Arguments that its target
            takes stay as they are.
    """
    if isinstance(described, list):
        return [upgraded(item) for item in described]
    if not (is_spec(described) and isinstance(described["args"], Mapping)):
        return described
    module, _, name = str(described["target"]).partition(":")
    if module in FOLDERS:
        described = {**described, "target": f"{FOLDERS[module]}:{name}"}
    args = {key: upgraded(value) for key, value in described["args"].items()}
    old = {key for key in (*RADIUS, *WIDTHS) if key in args}
    if old:
        old -= set(inspect.signature(resolve(described["target"])).parameters)
    if old & set(RADIUS):
        args["clicks"] = click_maps(args.pop("click_map", "disk"), args.pop("click_radius", 5))
    for width in old & set(WIDTHS):
        args[WIDTHS[width]] = spec(Gaussians, width=args.pop(width))
    return {**described, "args": args}
