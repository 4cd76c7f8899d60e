"""Upgrades specs in files of earlier versions of this package."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from isegm.core.registry import is_spec, resolve, spec
from isegm.methods.ritm import click_maps
from isegm.nn.clicks.gaussians import Gaussians

FOLDERS = {"isegm.nn.encoders.fusion": "isegm.nn.clicks.fusion"}  # moved modules: old name, new
RADIUS = ("click_map", "click_radius")
WIDTHS = {"click_width": "clicks", "first_click_width": "first_clicks"}  # FCA-Net's
# Arguments that added unused layers, with the prefixes of these layers' names.
UNCALLED = {
    "gate": ("refiner.feature_gate.",),
    "norm_add": ("backbone.norm_add.",),
    "classifier": ("backbone.last_conv.", "backbone.fc."),
}
SEPARATE = "isegm.nn.encoders.fusion:Separate"  # it had two such layers, too


def upgraded(described: Any) -> Any:
    """The spec of the same model in this version: click maps are parts instead of names and
    numbers, and unused layers are gone.

    Args:
        described: a spec, or anything else from a damaged file. Arguments that its target still
            takes do not change.
    """
    if isinstance(described, list):
        return [upgraded(item) for item in described]
    if not (is_spec(described) and isinstance(described["args"], Mapping)):
        return described
    module, _, name = str(described["target"]).partition(":")
    if module in FOLDERS:
        described = {**described, "target": f"{FOLDERS[module]}:{name}"}
    args = {key: upgraded(value) for key, value in described["args"].items()}
    old = {key for key in (*RADIUS, *WIDTHS, *UNCALLED) if key in args}
    if old:
        old -= set(inspect.signature(resolve(described["target"])).parameters)
    if old & set(RADIUS):
        args["clicks"] = click_maps(args.pop("click_map", "disk"), args.pop("click_radius", 5))
    args = {key: value for key, value in args.items() if key not in old & set(UNCALLED)}
    for width in old & set(WIDTHS):
        args[WIDTHS[width]] = spec(Gaussians, width=args.pop(width))
    return {**described, "args": args}


def without_unused(described: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a file without those of unused layers of earlier versions.

    Args:
        described: the spec in the file.
    """
    args = described["args"] if is_spec(described) else None
    parts = [part for part in args.values() if is_spec(part)] if isinstance(args, Mapping) else []
    asked = [name for part in parts for name in part["args"] if name in UNCALLED]
    prefixes = tuple(prefix for name in asked for prefix in UNCALLED[name])
    if any(part["target"] == SEPARATE for part in parts):
        prefixes += ("fusion.",)
    return {key: value for key, value in tensors.items() if not key.startswith(prefixes)}
