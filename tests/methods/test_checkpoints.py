"""Files of this package: written, read, refused, found by name."""

from __future__ import annotations

import json
import os
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from easydict import EasyDict
from golden import golden_round
from safetensors.torch import save_file
from small_disk import small_disk

from isegm.core.errors import IsegmError
from isegm.core.registry import build
from isegm.methods.checkpoints import add_metadata, find_checkpoint, read_metadata, save_model
from isegm.methods.ritm import ritm_hrnet
from isegm.nn.writing import HASH
from isegm.originals.loading import load_model, spec_of

REPOSITORY = Path(__file__).parents[2]
TINY = ritm_hrnet(width=8, depth="tiny", ocr_width=16)


@torch.no_grad()
def answer(model) -> torch.Tensor:
    return model(golden_round(48, 64)).logits


class TestOurs:
    def test_save_and_load_give_the_same_answer(self, tmp_path: Path) -> None:
        model = build(TINY).eval()
        save_model(tmp_path / "deep" / "model.safetensors", model, TINY, {"run": "000_test"})
        loaded = load_model(tmp_path / "deep" / "model.safetensors")
        assert loaded.source == "isegm"
        assert loaded.spec == TINY
        assert torch.equal(answer(model), answer(loaded.model))
        assert [f.name for f in (tmp_path / "deep").iterdir()] == ["model.safetensors"]

    def test_channels_last_weights_can_be_saved(self, tmp_path: Path) -> None:
        model = build(TINY).to(memory_format=torch.channels_last).eval()
        save_model(tmp_path / "model.safetensors", model, TINY)
        loaded = load_model(tmp_path / "model.safetensors").model.state_dict()
        assert all(torch.equal(value, loaded[key]) for key, value in model.state_dict().items())

    @pytest.mark.parametrize("with_ema", [True, False])
    def test_training_checkpoints_prefer_ema_weights(self, tmp_path: Path, with_ema: bool) -> None:
        plain, smooth = build(TINY).eval(), build(TINY).eval()
        header = {
            "isegm": {"kind": "training", "schema": 1},
            "spec": TINY,
            "optimizer": {"step": 3},
        }
        contents = {
            **header,
            "model": plain.state_dict(),
            "ema": smooth.state_dict() if with_ema else None,
        }
        torch.save(contents, tmp_path / "last_checkpoint.pth")
        loaded = load_model(tmp_path / "last_checkpoint.pth")
        assert torch.equal(answer(loaded.model), answer(smooth if with_ema else plain))

    @pytest.mark.parametrize(
        ("target", "reason"),
        [
            ("os:system", "refused"),
            ("isegm.nn.weights:load_strictly", "refused"),
            ("isegm.methods.checkpoints:save_model", "refused"),
            ("isegm.nn.losses.bce:SigmoidBCE", "expected a method"),
            ("isegm.methods.ritm:RITMM", "did you mean RITM"),
        ],
    )
    def test_a_spec_may_only_name_networks_of_this_package(
        self, tmp_path: Path, target: str, reason: str
    ) -> None:
        stored = json.dumps({"target": target, "args": {}})
        save_file(
            {"a": torch.rand(1)}, tmp_path / "bad.safetensors", {"isegm": "1", "spec": stored}
        )
        with pytest.raises(IsegmError, match=reason) as caught:
            load_model(tmp_path / "bad.safetensors")
        assert "bad.safetensors" in str(caught.value)

    def test_refused_targets_hide_nowhere_in_a_spec(self, tmp_path: Path) -> None:
        hidden = {"target": "isegm.methods.checkpoints:save_model", "args": {}}
        stored = {
            "target": TINY["target"],
            "args": {**TINY["args"], "fusion": [{"deep": hidden}, [hidden]]},
        }
        save_file(
            {"a": torch.rand(1)},
            tmp_path / "bad.safetensors",
            {"isegm": "1", "spec": json.dumps(stored)},
        )
        with pytest.raises(IsegmError, match="refused"):
            load_model(tmp_path / "bad.safetensors")

    @pytest.mark.parametrize(
        "stored",
        [
            "{",
            "[]",
            '"text"',
            json.dumps({"target": TINY["target"], "args": {"width": 3}}),
            '{"target": 1, "args": 2}',
            json.dumps({"target": TINY["target"], "args": 5}),
            json.dumps({"target": 5, "args": {"click_map": {}}}),
            json.dumps({"target": TINY["target"], "args": {"x": {"target": [1], "gate": 1}}}),
            '{"target": "isegm.core.errors:IsegmError", "args": {"click_map": {}}}',
        ],
    )
    def test_a_broken_spec_is_one_clear_error(self, tmp_path: Path, stored: str) -> None:
        save_file(
            {"a": torch.rand(1)}, tmp_path / "bad.safetensors", {"isegm": "1", "spec": stored}
        )
        with pytest.raises(IsegmError):
            load_model(tmp_path / "bad.safetensors")

    def test_a_spec_without_required_arguments_is_one_clear_error(self, tmp_path: Path) -> None:
        stored = json.dumps({"target": TINY["target"], "args": {}})
        save_file(
            {"a": torch.rand(1)}, tmp_path / "bad.safetensors", {"isegm": "1", "spec": stored}
        )
        with pytest.raises(IsegmError, match="needs a value for backbone"):
            load_model(tmp_path / "bad.safetensors")

    def test_a_later_schema_is_refused(self, tmp_path: Path) -> None:
        save_file(
            {"a": torch.rand(1)},
            tmp_path / "later.safetensors",
            {"isegm": "3", "spec": json.dumps(TINY)},
        )
        with pytest.raises(IsegmError, match="schema '3'"):
            load_model(tmp_path / "later.safetensors")

    def test_weights_of_another_width_are_refused(self, tmp_path: Path) -> None:
        save_model(tmp_path / "wrong.safetensors", build(ritm_hrnet(6, "tiny", 16)), TINY)
        with pytest.raises(IsegmError, match="misshaped"):
            load_model(tmp_path / "wrong.safetensors")

    def test_a_foreign_state_dict_names_its_keys(self, tmp_path: Path) -> None:
        torch.save(
            {"encoder.weight": torch.rand(2), "decoder.weight": torch.rand(2)},
            tmp_path / "foreign.pth",
        )
        with pytest.raises(IsegmError, match=r"no known model.*encoder\.weight, decoder\.weight"):
            load_model(tmp_path / "foreign.pth")


class TestHalfPrecision:
    @pytest.fixture
    def model(self) -> torch.nn.Module:
        torch.manual_seed(0)
        model = build(TINY).eval()
        for name, buffer in model.named_buffers():
            if name.endswith("running_var"):
                buffer.fill_(1e5)  # more than half precision holds
        return model

    def test_parameters_are_rounded_and_statistics_are_not(
        self, tmp_path: Path, model: torch.nn.Module
    ) -> None:
        save_model(tmp_path / "half.safetensors", model, TINY, dtype="fp16")
        save_model(tmp_path / "full.safetensors", model, TINY)
        loaded = load_model(tmp_path / "half.safetensors")
        assert loaded.report.complete
        parameters, before = dict(model.named_parameters()), model.state_dict()
        for key, value in loaded.model.state_dict().items():
            assert value.dtype == before[key].dtype
            expected = before[key].half().float() if key in parameters else before[key]
            assert torch.equal(value, expected), key
        sizes = [(tmp_path / f"{name}.safetensors").stat().st_size for name in ("half", "full")]
        assert sizes[0] < 0.7 * sizes[1]
        assert (answer(loaded.model) - answer(model)).abs().max() < 1e-2

    def test_what_it_cannot_hold_is_refused(self, tmp_path: Path, model: torch.nn.Module) -> None:
        name, parameter = next(iter(model.named_parameters()))
        parameter.data.view(-1)[0] = 1e6
        with pytest.raises(IsegmError, match=f"cannot hold {name}"):
            save_model(tmp_path / "half.safetensors", model, TINY, dtype="fp16")
        with pytest.raises(IsegmError, match="did you mean fp16"):
            save_model(tmp_path / "half.safetensors", model, TINY, dtype="float16")
        assert not list(tmp_path.iterdir())


class TestMetadata:
    def test_added_entries_leave_the_rest_alone(self, tmp_path: Path) -> None:
        path, model = tmp_path / "model.safetensors", build(TINY)
        save_model(path, model, TINY, {"run": "000"}, dtype="fp16")
        before, tensors = read_metadata(path), load_model(path).model.state_dict()
        add_metadata(path, {"card": "{}"})
        assert read_metadata(path) | {HASH: ""} == before | {"card": "{}", HASH: ""}
        after = load_model(path)
        assert after.spec == TINY
        assert all(
            torch.equal(tensors[key], value) for key, value in after.model.state_dict().items()
        )

    def test_files_without_a_spec_are_refused(self, tmp_path: Path) -> None:
        save_file({"a": torch.rand(1)}, tmp_path / "bare.safetensors")
        with pytest.raises(IsegmError, match="isegm convert"):
            add_metadata(tmp_path / "bare.safetensors", {"card": "{}"})


class TestStarter:
    def test_it_is_found_by_name_and_loads_strictly(self) -> None:
        path = find_checkpoint({}, "starter")
        loaded = load_model(path)
        assert loaded.report.complete
        assert all(value.dtype == torch.float32 for value in loaded.model.parameters())
        assert path.stat().st_size <= 12e6
        assert spec_of("starter") == loaded.spec

    def test_a_file_of_that_name_comes_first(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "starter").touch()
        monkeypatch.chdir(tmp_path)
        assert find_checkpoint({}, "starter") == Path("starter")

    def test_it_is_suggested(self, tmp_path: Path) -> None:
        with pytest.raises(IsegmError, match="did you mean starter"):
            find_checkpoint({}, "startr")


class TestFinding:
    @pytest.fixture
    def cfg(self, tmp_path: Path) -> EasyDict:
        for name in (
            "weights/h18.pth",
            "weights/sub/h32.safetensors",
            "runs/ritm/000_a/last.pth",
            "runs/ritm/001_b/last.pth",
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return EasyDict(
            WEIGHTS_PATH="weights", EXPS_PATH="runs", config_path=str(tmp_path / "config.yml")
        )

    @pytest.mark.parametrize(
        ("name", "found"),
        [
            ("h18", "weights/h18.pth"),
            ("h18.pth", "weights/h18.pth"),
            ("h32", "weights/sub/h32.safetensors"),
            ("sub/h32", "weights/sub/h32.safetensors"),
            ("ritm/000_a/last", "runs/ritm/000_a/last.pth"),
            ("001:last", "runs/ritm/001_b/last.pth"),
        ],
    )
    def test_names(self, cfg: EasyDict, tmp_path: Path, name: str, found: str) -> None:
        assert find_checkpoint(cfg, name) == tmp_path / found

    def test_paths_come_first(self, cfg: EasyDict, tmp_path: Path) -> None:
        assert find_checkpoint(cfg, tmp_path / "weights/h18.pth") == tmp_path / "weights/h18.pth"

    def test_ambiguous_names_list_the_files(self, cfg: EasyDict) -> None:
        with pytest.raises(IsegmError, match=r"000_a.*001_b"):
            find_checkpoint(cfg, "last")

    @pytest.mark.parametrize("name", ["foreign:sam-base", "classical:grabcut", "plugin:my.py"])
    def test_models_of_others_are_no_files(self, cfg: EasyDict, name: str) -> None:
        with pytest.raises(IsegmError, match=f"{name} is a model of others: evaluate"):
            find_checkpoint(cfg, name)

    def test_unknown_names_list_the_nearest(self, cfg: EasyDict) -> None:
        with pytest.raises(IsegmError, match="did you mean h18"):
            find_checkpoint(cfg, "h19")


class TestDamage:
    def test_every_flipped_bit_is_noticed(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        save_model(path, build(TINY).eval(), TINY)
        whole = path.read_bytes()
        for place in (len(whole) - 1, len(whole) // 2, whole.index(b"isegm.methods") + 2):
            damaged = bytearray(whole)
            damaged[place] ^= 1
            path.write_bytes(damaged)
            with pytest.raises(IsegmError, match=r"damaged|cannot be read"):
                load_model(path)

    def test_changed_metadata_get_another_hash(self, tmp_path: Path) -> None:
        path = tmp_path / "model.safetensors"
        save_model(path, build(TINY).eval(), TINY)
        before = read_metadata(path)[HASH]
        add_metadata(path, {"card": "{}"})
        assert read_metadata(path)[HASH] != before
        assert load_model(path).report.complete

    def test_a_file_without_a_hash_is_accepted(self, tmp_path: Path) -> None:
        metadata = {"isegm": "2", "spec": json.dumps(TINY)}
        save_file(build(TINY).state_dict(), tmp_path / "old.safetensors", metadata)
        assert load_model(tmp_path / "old.safetensors").report.complete

    def test_a_flipped_bit_in_a_training_checkpoint(self, tmp_path: Path) -> None:
        path, state = tmp_path / "last_checkpoint.pth", build(TINY).state_dict()
        torch.save({"isegm": {"kind": "training", "schema": 1}, "spec": TINY, "model": state}, path)
        damaged = bytearray(path.read_bytes())
        place = damaged.index(next(build_weights(state)).numpy().tobytes())
        damaged[place + 1] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(IsegmError, match="checksum does not match"):
            load_model(path)

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    def test_weights_that_are_no_numbers(self, tmp_path: Path, value: float) -> None:
        model = build(TINY)
        next(model.parameters()).data.view(-1)[3] = value
        save_model(tmp_path / "model.safetensors", model, TINY)
        with pytest.raises(IsegmError, match="weights that are NaN or infinite"):
            load_model(tmp_path / "model.safetensors")

    def test_the_umask_decides_who_reads_a_file(self, tmp_path: Path) -> None:
        before = os.umask(0o027)
        try:
            save_model(tmp_path / "model.safetensors", build(TINY), TINY)
        finally:
            os.umask(before)
        assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == 0o640

    def test_a_disk_that_fills(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk", kilobytes=64) as disk:
            with pytest.raises(IsegmError, match="No space left on device; free space"):
                save_model(disk / "model.safetensors", build(TINY), TINY)
            assert not list(disk.iterdir())


def build_weights(state: dict[str, torch.Tensor]) -> Iterator[torch.Tensor]:
    return (value for key, value in state.items() if key.endswith("weight") and value.ndim > 1)


def nested(depth: int) -> dict:
    inner: object = 1
    for _ in range(depth):
        inner = {"target": TINY["target"], "args": {"backbone": inner}}
    return inner


class TestBombs:
    """Small files that would take all memory, or all time."""

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            (ritm_hrnet(width=4096, depth="tiny", ocr_width=16), "network of more than 64 MiB"),
            (nested(2000), "larger than that of any network|not JSON"),
            ({"target": "x:y", "args": {"a": [nested(1)] * 1001}}, "larger than that of any netw"),
            ({"target": "x:y", "args": {"a": [0] * 200_000}}, "larger than that of any network"),
        ],
    )
    @pytest.mark.parametrize("suffix", ["safetensors", "pth"])
    def test_specs(self, tmp_path: Path, spec: dict, message: str, suffix: str) -> None:
        path, tensors = tmp_path / f"bomb.{suffix}", {"a": torch.zeros(1)}
        limit = sys.getrecursionlimit()
        sys.setrecursionlimit(20_000)
        try:
            if suffix == "pth":
                header = {"isegm": {"kind": "training", "schema": 1}}
                torch.save(header | {"spec": spec, "model": tensors}, path)
            else:
                save_file(tensors, path, {"isegm": "2", "spec": json.dumps(spec)})
        finally:
            sys.setrecursionlimit(limit)
        with pytest.raises(IsegmError, match=message):
            load_model(path)

    def test_a_large_shape_over_one_number(self, tmp_path: Path) -> None:
        wide = ritm_hrnet(width=2048, depth="tiny", ocr_width=16)
        claims = {"a": torch.zeros(1).expand(10**9)}
        header = {"isegm": {"kind": "training", "schema": 1}, "spec": wide}
        torch.save(header | {"model": claims}, tmp_path / "bomb.pth")
        with pytest.raises(IsegmError, match="network of more than 64 MiB"):
            load_model(tmp_path / "bomb.pth")

    def test_an_archive_that_unpacks_to_much_more(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", bytes(50_000_000))
        with pytest.raises(IsegmError, match="47 MiB unpacked"):
            load_model(tmp_path / "bomb.pth")
