"""Code bases are found by listing the package, and no two of them claim the same file."""

from __future__ import annotations

import importlib
import pkgutil
from types import ModuleType

import pytest
import torch
from golden import published_shapes

import isegm.originals
from isegm.core.registry import Spec, build
from isegm.methods.cdnet import cdnet
from isegm.methods.click_attention import click_attention
from isegm.methods.clickseg_baseline import clickseg_baseline
from isegm.methods.emc_click import emc_hrnet, emc_segformer
from isegm.methods.fbrs import fbrs_deeplab, fbrs_hrnet
from isegm.methods.fcanet import fcanet
from isegm.methods.fcfi import fcfi_hrnet
from isegm.methods.focalclick import focalclick_hrnet, focalclick_segformer
from isegm.methods.mfp import mfp
from isegm.methods.ritm import ritm_deeplab, ritm_hrnet
from isegm.methods.segnext import segnext
from isegm.methods.simpleclick import simpleclick

LISTED = pkgutil.iter_modules(isegm.originals.__path__)
MODULES = [importlib.import_module(f"isegm.originals.{info.name}") for info in LISTED]
CODE_BASES = [module for module in MODULES if hasattr(module, "recognise")]
NETWORKS = {
    "ritm": [ritm_hrnet(4, "small", 8), ritm_deeplab(34, 16, resnet_width=8)],
    "fbrs": [fbrs_hrnet(4, "full", 8), fbrs_deeplab(34, 16, resnet_width=8)],
    "clickseg": [
        focalclick_hrnet(4, "small", 8),
        focalclick_segformer("b0"),
        cdnet(18, width=16, resnet_width=8),
        clickseg_baseline("pplcnet"),
        clickseg_baseline("mobilenetv2"),
    ],
    "click_attention": [click_attention("b0")],
    "fcfi": [fcfi_hrnet(4, "full", 8, feedback_width=8)],
    "emc_click": [emc_hrnet(4, "small", 8, refiner_width=16), emc_segformer("b0")],
    "fcanet": [fcanet("resnet")],
    "simpleclick": [simpleclick("xtiny")],
    "segnext": [segnext()],
    "mfp": [mfp()],
}
CASES = [(name, described) for name, networks in NETWORKS.items() for described in networks]


def name_of(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def test_every_code_base_reads_and_writes() -> None:
    assert {name_of(module) for module in CODE_BASES} == set(NETWORKS)
    assert all(hasattr(module, "publish") for module in CODE_BASES)


@pytest.mark.parametrize(("name", "described"), CASES)
def test_a_network_is_of_one_code_base_alone(name: str, described: Spec) -> None:
    ways = {name_of(module): way for module in CODE_BASES if (way := module.publish(described))}
    assert list(ways) == [name]
    published = ways[name]
    with torch.device("meta"):
        state = build(described).state_dict()
    shapes = published_shapes(published, state)
    params = (published.config or {}).get("params", {})
    config = {key: entry["value"] for key, entry in params.items()}
    for given in (config, {}):
        readers = {m: read for m in CODE_BASES if (read := m.recognise(shapes, given))}
        assert [name_of(module) for module in readers] == [name]
        (read,) = readers.values()
        assert read.keys == published.keys


def test_nothing_claims_an_unknown_file() -> None:
    for module in CODE_BASES:
        assert module.recognise({"encoder.weight": (2, 3)}, {}) is None
