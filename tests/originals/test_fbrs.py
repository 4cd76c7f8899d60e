"""Published files of f-BRS: recognised, loaded strictly, written back."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from golden import golden_tensor

from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.methods.fbrs import fbrs_deeplab, fbrs_hrnet
from isegm.methods.ritm import ritm_hrnet
from isegm.originals.fbrs import publish
from isegm.originals.loading import load_model, save_published

# The published networks, as narrow as their layout allows.
PUBLISHED = {
    "resnet34_dh128_sbd": fbrs_deeplab(34, 16, resnet_width=8),
    "resnet50_dh128_sbd": fbrs_deeplab(50, 16, resnet_width=4),
    "resnet101_dh256_sbd": fbrs_deeplab(101, 256, resnet_width=2),
    "hrnet18_ocr64_sbd": fbrs_hrnet(4, "full", 8),
    "hrnet32_ocr128_sbd": fbrs_hrnet(6, "full", 12),
    "resnet50_dh128_lvis": fbrs_deeplab(50, 16, resnet_width=4),
    "hrnet32_ocr128_lvis": fbrs_hrnet(6, "full", 12),
}


class TestPublished:
    @pytest.mark.parametrize("name", PUBLISHED)
    def test_files_are_recognised_loaded_strictly_and_written_back(
        self, tmp_path: Path, name: str
    ) -> None:
        described = PUBLISHED[name]
        keys = publish(described).keys
        shapes = {
            key: tuple(value.shape)
            for key, value in keys.to_published(build(described).state_dict()).items()
        }
        converted_from_mxnet = name.startswith("resnet")
        tensors = {
            key: golden_tensor(key, shape)
            for key, shape in shapes.items()
            if not (converted_from_mxnet and key.endswith("num_batches_tracked"))
        }
        torch.save(tensors, tmp_path / f"{name}.pth", _use_new_zipfile_serialization=False)
        loaded = load_model(tmp_path / f"{name}.pth")
        assert loaded.source == "f-BRS (published)"
        assert loaded.spec == described
        assert loaded.report.matched == len(tensors)
        save_published(tmp_path / "back.pth", loaded)
        back = torch.load(tmp_path / "back.pth", weights_only=True)
        assert back.keys() == shapes.keys()
        assert all(torch.equal(back[key], value) for key, value in tensors.items())

    def test_missing_and_unexpected_tensors_are_named(self, tmp_path: Path) -> None:
        described = PUBLISHED["hrnet18_ocr64_sbd"]
        tensors = publish(described).keys.to_published(build(described).state_dict())
        del tensors["rgb_conv.3.bias"]
        torch.save(tensors | {"something.else": torch.rand(1)}, tmp_path / "cut.pth")
        with pytest.raises(
            IsegmError, match=r"1 missing: rgb_conv\.3\.bias; 1 unexpected: something\.else"
        ):
            load_model(tmp_path / "cut.pth")

    def test_networks_that_f_brs_does_not_have_are_not_written(self) -> None:
        assert publish(fbrs_hrnet(8, "tiny", 16)) is None
        assert publish(ritm_hrnet(4, "full", 8)) is None
        changed = fbrs_hrnet(4, "full", 8)
        changed["args"]["clicks"]["args"]["radius"] = 100
        assert publish(changed) is None
