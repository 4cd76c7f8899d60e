"""Feature and pixel diffusion beside plain versions of what their paper says, and what they are
for.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from isegm.core.errors import IsegmError
from isegm.nn.diffusion import FeatureDiffusion, PixelDiffusion, affinities, neighbours


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def disks(batch: int, size: tuple[int, int], *places: tuple[int, int, int, int]) -> Tensor:
    """Squares of clicks: (sample, 0 object or 1 background, row, column)."""
    made = torch.zeros(batch, 2, *size)
    for sample, side, y, x in places:
        made[sample, side, y - 1 : y + 2, x - 1 : x + 2] = 1
    return made


class TestFeatureDiffusion:
    @staticmethod
    def module(gate_bias: float = 0.0) -> FeatureDiffusion:
        torch.manual_seed(0)
        made = FeatureDiffusion(8)
        torch.nn.init.normal_(made.gate[1].weight, std=8.0)
        torch.nn.init.constant_(made.gate[1].bias, gate_bias)
        return made.eval()

    @pytest.mark.parametrize("gate_bias", [0.0, 3.0, -3.0])
    @torch.no_grad()
    def test_affinities_are_weighted_before_the_softmax_and_flows_by_the_gate_of_where_they_arrive(
        self, gate_bias
    ) -> None:
        module, x, clicked = (
            self.module(gate_bias),
            noise(2, 8, 5, 6) - 0.5,
            noise(2, 2, 5, 6, seed=1),
        )
        found, gate = module(x, clicked)
        assert (gate.amax() > 0.8) or (gate.amin() < 0.2)  # else sure places are not tried
        query, key, value = (
            part(x).flatten(2) for part in (module.query, module.key, module.value)
        )
        plain = x
        for side, project, share in ((0, module.object, gate), (1, module.background, 1 - gate)):
            weight = clicked[:, side : side + 1] + (share > 0.8)
            affinity = torch.einsum("bci,bcj->bij", query, key) * weight.flatten(2)
            flow = torch.einsum("bij,bcj->bci", affinity.softmax(2), value).unflatten(2, (5, 6))
            plain = plain + project(flow * share)
        assert torch.allclose(found, plain, atol=1e-5)

    def test_the_gate_learns_from_its_own_loss_alone(self) -> None:
        module = self.module()
        features, gate = module(noise(2, 8, 5, 6), noise(2, 2, 5, 6, seed=1))
        features.square().sum().backward(retain_graph=True)
        assert not any(p.grad is not None and p.grad.any() for p in module.gate.parameters())
        gate.sum().backward()
        assert all(p.grad.any() for p in module.gate.parameters())
        assert all(p.grad.any() for p in module.object.parameters())

    @torch.no_grad()
    def test_low_precision(self) -> None:
        module, x, clicked = self.module(), noise(1, 8, 5, 6), noise(1, 2, 5, 6, seed=1)
        with torch.autocast("cpu", torch.bfloat16):
            low, gate = module(x, clicked)
        assert gate.dtype == torch.float32
        assert torch.allclose(low.float(), module(x, clicked)[0], atol=0.1)


def convolved(image: Tensor, logits: Tensor, clicked: Tensor) -> Tensor:
    """Pixel diffusion of one sample by convolutions with the constants of published files."""
    module = PixelDiffusion()

    def apply(kernel: Tensor, x: Tensor) -> Tensor:  # C H W to C 4K H W
        parts = [
            F.conv2d(F.pad(x[:, None], [d] * 4, mode="replicate"), kernel, dilation=d)
            for d in (1, 2, 4, 8)
        ]
        return torch.cat(parts, 1)

    deviation = apply(module.window, image).std(1, keepdim=True)
    share = (
        (-apply(module.differences, image).abs() / (1e-8 + 0.1 * deviation))
        .mean(0, keepdim=True)
        .softmax(1)
    )
    answer = 2 * (logits.sigmoid() - 0.5)
    spread = answer * (answer.abs() > 0.25) + 10 * clicked[:1] - 10 * clicked[1:]
    for _ in range(5):
        spread = (apply(module.neighbours, spread) * share).sum(1)
    return spread + answer


class TestPixelDiffusion:
    def test_every_sample_of_a_batch_gets_what_the_constants_say(self) -> None:
        image, logits = noise(3, 3, 24, 30), 4 * noise(3, 1, 24, 30, seed=1) - 2
        clicked = disks(3, (24, 30), (0, 0, 5, 5), (0, 1, 20, 25), (1, 0, 12, 28), (2, 1, 3, 3))
        found = PixelDiffusion()(image, logits, clicked)
        for i in range(3):
            assert torch.allclose(found[i], convolved(image[i], logits[i], clicked[i]), atol=2e-4)

    def test_a_click_paints_what_looks_like_it_and_stops_at_the_edge(self) -> None:
        image = torch.full((1, 3, 32, 32), 0.2)
        image[..., 16:] = 0.8
        undecided = torch.zeros(1, 1, 32, 32)
        found = PixelDiffusion()(image, undecided, disks(1, (32, 32), (0, 0, 16, 8)))
        assert found[0, 0, 16, 8] > 0.2
        assert found[0, 0, :, :8].min() > 1e-3
        assert found[..., 16:].abs().max() < 1e-2 * found[..., 15].min()
        other = PixelDiffusion()(image, undecided, disks(1, (32, 32), (0, 1, 16, 8)))
        assert torch.allclose(other, -found)

    def test_without_a_click_an_answer_near_one_half_is_kept_but_not_spread(self) -> None:
        image, logits = noise(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
        logits[..., 8, 8] = 0.4
        nothing = torch.zeros(1, 2, 16, 16)
        assert torch.equal(PixelDiffusion()(image, logits, nothing), 2 * logits.sigmoid() - 1)
        logits[..., 8, 8] = 4.0
        assert PixelDiffusion()(image, logits, nothing)[0, 0, 8, 9] > 0

    def test_affinities_are_shares_and_a_flat_image_has_equal_ones(self) -> None:
        shares = affinities(noise(2, 3, 9, 7))
        assert shares.shape == (2, 32, 9, 7)
        assert torch.allclose(shares.sum(1), torch.ones(2, 9, 7))
        assert torch.allclose(affinities(torch.full((1, 3, 9, 7), 0.3)), torch.tensor(1 / 32))

    def test_deviations_of_nearly_flat_images_are_exact(self) -> None:
        image = 0.5 + 1e-4 * noise(1, 3, 20, 20)
        exact = affinities(image.double())
        assert torch.allclose(affinities(image).double(), exact, atol=1e-5)

    def test_the_border_repeats(self) -> None:
        x = torch.arange(12.0).view(1, 1, 3, 4)
        moved = [m[0, 0] for m in neighbours(x)]
        assert len(moved) == 32
        assert moved[3].tolist() == [
            [0, 0, 1, 2],
            [4, 4, 5, 6],
            [8, 8, 9, 10],
        ]  # the left neighbour
        assert (moved[-1] == 11).all()  # eight rows and columns further is beyond the border

    def test_other_constants_are_refused(self) -> None:
        module = PixelDiffusion()
        state = {name: value.clone() for name, value in module.state_dict().items()}
        module.load_state_dict(state)
        state["differences"][0, 0, 0, 0] = 2
        with pytest.raises(IsegmError, match="constants differences of pixel diffusion differ"):
            PixelDiffusion().load_state_dict(state)
