"""The plain ViT and its pyramid: windows, positional embeddings, sizes, pretrained weights."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import nn

from isegm.core.errors import IsegmError
from isegm.nn.backbones.plain_vit import PlainViT, WindowAttention, joined, resized_positions, split
from isegm.nn.heads.simple_pyramid import PyramidHead, SimplePyramid


def small(**changes: int) -> PlainViT:
    """8 blocks, every second one global; windows of 4 patches of 4 pixels."""
    torch.manual_seed(0)
    return PlainViT(
        **({"channels": 16, "depth": 8, "heads": 2, "patch": 4, "size": 32, "window": 16} | changes)
    ).eval()


class TestWindows:
    def test_a_window_is_a_tile_of_the_image_row_by_row(self) -> None:
        x = torch.arange(2 * 4 * 6, dtype=torch.float32).view(2, 4, 6, 1)
        tokens = split(x, (2, 3))
        assert tokens.shape == (12, 4, 1)
        assert tokens[:3, :, 0].tolist() == [[0, 1, 6, 7], [2, 3, 8, 9], [4, 5, 10, 11]]
        assert tokens[6, :, 0].tolist() == [24, 25, 30, 31]
        assert torch.equal(joined(tokens, (2, 3), (4, 6)), x)

    def test_attention_stays_within_its_window(self) -> None:
        torch.manual_seed(0)
        attention, x = WindowAttention(8, 2), torch.rand(1, 4, 6, 8)
        alone = attention(x[:, 2:, :3], (1, 1))
        assert torch.allclose(attention(x, (2, 2))[:, 2:, :3], alone, atol=1e-6)
        assert not torch.allclose(attention(x, (1, 1))[:, 2:, :3], alone, atol=1e-6)

    @pytest.mark.parametrize(
        ("depth", "whole"),
        [(8, [2, 4, 6, 8]), (12, [6, 12]), (24, [6, 12, 18, 24]), (32, [8, 16, 24, 32])],
    )
    def test_which_blocks_see_the_whole_image(self, depth: int, whole: list[int]) -> None:
        net, seen = small(depth=depth), []
        for block in net.blocks:
            block.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[1]))
        with torch.no_grad():
            net(torch.rand(1, 3, 32, 48))
        assert [number for number, windows in enumerate(seen, 1) if windows == (1, 1)] == whole
        assert {windows for windows in seen if windows != (1, 1)} == {(2, 3)}

    def test_a_change_is_seen_everywhere_only_after_a_global_block(self) -> None:
        net, outputs = small(), []
        net.blocks[0].register_forward_hook(lambda _, __, output: outputs.append(output))
        net.blocks[1].register_forward_hook(lambda _, __, output: outputs.append(output))
        image = torch.rand(1, 3, 32, 32)
        changed = image.clone()
        changed[..., :16, :16] = 0
        with torch.no_grad():
            net(image), net(changed)
        differs = [(outputs[i] != outputs[i + 2]).any(-1)[0] for i in (0, 1)]
        assert differs[0][:4, :4].all()
        assert not differs[0][4:].any()
        assert differs[1].all()


class TestSizes:
    @pytest.mark.parametrize(
        ("patch", "sizes"), [(16, (224, 448, 672, 896, 1024)), (14, (224, 448, 672))]
    )
    def test_published_sizes_stay_as_they_are(self, patch: int, sizes: tuple[int, ...]) -> None:
        net = small(patch=patch, size=448 // patch * patch, window=224, channels=8)
        assert all(net.frame((size, size)) == (size, size) for size in sizes)

    @pytest.mark.parametrize(
        ("size", "frame"),
        [((32, 32), (32, 32)), ((1, 7), (8, 8)), ((33, 37), (40, 40)), ((61, 75), (64, 80))],
    )
    def test_the_next_size_that_works(self, size: tuple[int, int], frame: tuple[int, int]) -> None:
        net = small()
        assert net.frame(size) == frame
        assert net.frame(frame) == frame
        with torch.no_grad():
            assert net(torch.rand(1, 3, *frame), torch.rand(1, 3, *frame)).shape == (
                1,
                16,
                frame[0] // 4,
                frame[1] // 4,
            )
        if size != frame:
            with pytest.raises(
                IsegmError, match=f"{frame[0]} x {frame[1]} is the next size that works"
            ):
                net(torch.rand(1, 3, *size))

    @pytest.mark.parametrize(
        "wrong", [{"heads": 3}, {"depth": 6}, {"size": 30}, {"size": 0}, {"window": 3}]
    )
    def test_numbers_that_do_not_fit(self, wrong: dict[str, int]) -> None:
        with pytest.raises(
            IsegmError, match=next(iter(wrong)) if "heads" not in wrong else "channels=16"
        ):
            small(**wrong)


class TestPositions:
    def test_a_grid_of_its_own_size_is_not_touched(self) -> None:
        positions = torch.rand(1, 6, 4)
        assert torch.equal(resized_positions(positions, (2, 3), (2, 3)), positions.view(1, 2, 3, 4))

    def test_resizing_is_bicubic_by_the_centres_of_places(self) -> None:
        ramp = torch.arange(8.0).repeat(8, 1).view(1, 64, 1)
        wide = resized_positions(ramp, (8, 8), (16, 16))[0, :, :, 0]
        assert wide[4, 4:12].tolist() == pytest.approx(
            [(x + 0.5) / 2 - 0.5 for x in range(4, 12)], abs=0.05
        )
        assert torch.allclose(wide, wide[:1].expand(16, -1), atol=1e-5)

    def test_they_follow_the_view_and_leave_the_model_as_it_is(self) -> None:
        net = small()
        before = net.pos_embed.detach().clone()
        with torch.no_grad():
            first = net(torch.ones(1, 3, 32, 32))
            net(torch.ones(1, 3, 48, 64))
            assert torch.equal(net(torch.ones(1, 3, 32, 32)), first)
        assert torch.equal(net.pos_embed, before)
        assert not torch.allclose(
            first[..., 0, 0], first[..., 1, 2]
        )  # places differ though the image does not


class TestPretrained:
    @staticmethod
    def file(
        tmp_path: Path, size: int = 16, **changes: int
    ) -> tuple[Path, dict[str, torch.Tensor]]:
        """A file as MAE publishes them: no clicks, no classifier, a norm at the end, weights under
        "model".
        """
        source = small(size=size, **changes)
        unknown = ("patch_embed_coords.", "fc_norm.", "head.")
        state = {
            key: torch.rand_like(v)
            for key, v in source.state_dict().items()
            if not key.startswith(unknown)
        }
        state |= {"norm.weight": torch.ones(16), "norm.bias": torch.zeros(16)}
        torch.save({"model": state}, tmp_path / "mae.pth")
        return tmp_path / "mae.pth", state

    def test_mae_files(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        path, state = self.file(tmp_path)
        net = small()
        clicks = net.patch_embed_coords.proj.weight.detach().clone()
        with caplog.at_level(logging.INFO, "isegm"):
            net.load_pretrained(path)
        assert torch.equal(net.blocks[7].mlp.fc2.weight, state["blocks.7.mlp.fc2.weight"])
        assert torch.equal(net.patch_embed_coords.proj.weight, clicks)
        expected = nn.functional.interpolate(
            state["pos_embed"][:, 1:].view(1, 4, 4, 16).permute(0, 3, 1, 2),
            size=(8, 8),
            mode="bicubic",
        )
        assert torch.allclose(net.pos_embed[0, 1:].T.view(16, 8, 8), expected[0], atol=1e-6)
        assert torch.equal(net.pos_embed[:, 0], state["pos_embed"][:, 0])
        assert "lacks" not in caplog.text
        assert f"loaded {len(state) - 2} tensors" in caplog.text

    def test_what_is_missing_is_said(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path, _ = self.file(tmp_path, depth=4)
        with caplog.at_level(logging.WARNING, "isegm"):
            small().load_pretrained(path)
        assert "lacks 48 tensors of the backbone, e.g. blocks.4.norm1.weight" in caplog.text

    def test_another_size_is_refused(self, tmp_path: Path) -> None:
        path, _ = self.file(tmp_path, patch=8)
        with pytest.raises(
            IsegmError, match=r"PlainViT of another size.*patch_embed\.proj\.weight"
        ):
            small().load_pretrained(path)

    def test_positions_that_are_no_square(self, tmp_path: Path) -> None:
        torch.save({"pos_embed": torch.rand(1, 12, 16)}, tmp_path / "odd.pth")
        with pytest.raises(IsegmError, match="has 12 positions"):
            small().load_pretrained(tmp_path / "odd.pth")


class TestPyramid:
    @pytest.mark.parametrize("upsample", [1, 2, 4])
    def test_scales_and_size_of_the_answer(self, upsample: int) -> None:
        neck = SimplePyramid(16, (8, 12, 16, 20))
        head = PyramidHead(neck.out_channels, 16 // upsample, upsample).eval()
        with torch.no_grad():
            maps = neck(torch.rand(2, 16, 5, 6))
            logits = head(maps)
        assert [tuple(x.shape[1:]) for x in maps] == [
            (8, 20, 24),
            (12, 10, 12),
            (16, 5, 6),
            (20, 2, 3),
        ]
        assert logits.shape == (2, 1, 20 * upsample, 24 * upsample)

    @pytest.mark.parametrize(
        ("upsample", "idle"), [(1, {"up_conv1", "up_conv2"}), (2, {"up_conv2"}), (4, set())]
    )
    def test_what_is_never_called_is_not_trained(self, upsample: int, idle: set[str]) -> None:
        head = PyramidHead((4, 4, 4, 4), 8, upsample).train()
        head([torch.rand(1, 4, s, s) for s in (8, 4, 2, 1)]).sum().backward()
        untrained = {
            name.partition(".")[0] for name, p in head.named_parameters() if not p.requires_grad
        }
        assert untrained == idle
        assert all((p.grad is not None) == p.requires_grad for p in head.parameters())

    def test_mistakes(self) -> None:
        with pytest.raises(IsegmError, match="expected four numbers"):
            SimplePyramid(16, (8, 8))
        with pytest.raises(IsegmError, match="expected 1, 2 or 4"):
            PyramidHead((4, 4, 4, 4), upsample=3)
