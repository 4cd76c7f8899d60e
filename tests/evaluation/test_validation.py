"""NoC between epochs."""

import pytest
import torch

from isegm.core.errors import IsegmError
from isegm.evaluation.validation import noc_validation
from isegm.methods.ritm import tiny
from isegm.utils.config import load_config


def test_the_metrics_of_each_set_are_named_after_it() -> None:
    torch.manual_seed(0)
    model = tiny().train()
    found = noc_validation(load_config(), ["synthetic"], limit=1, protocol="ritm")(model, 1)
    assert {"synthetic/NoC@85", "synthetic/NoC@90", "synthetic/fail@90", "synthetic/mIoU@1"} <= set(
        found
    )
    assert 1 <= found["synthetic/NoC@90"] <= 20


def test_an_unknown_set_is_noticed_before_training() -> None:
    with pytest.raises(IsegmError, match="did you mean synthetic"):
        noc_validation(load_config(), ["sinthetic"])
