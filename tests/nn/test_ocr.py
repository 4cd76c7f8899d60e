from __future__ import annotations

import pytest
import torch

from isegm.core.errors import IsegmError
from isegm.nn.heads.ocr import ObjectAttention, OCRHead


def literal_attention(
    block: ObjectAttention, pixels: torch.Tensor, pooled: torch.Tensor
) -> torch.Tensor:
    """The published block with all its parts: query, key, softmax over the (single) region,
    value.
    """
    batch, _, height, width = pixels.shape
    query = block.f_pixel(pixels).flatten(2).transpose(1, 2)  # B hw W
    key = block.f_object(pooled).flatten(2)  # B W 1
    value = block.f_down(pooled).flatten(2).transpose(1, 2)  # B 1 W
    similarity = (query @ key * key.shape[1] ** -0.5).softmax(-1)
    return block.f_up((similarity @ value).transpose(1, 2).reshape(batch, -1, height, width))


@pytest.mark.parametrize("training", [True, False])
def test_the_short_cut_equals_the_whole_attention(training: bool) -> None:
    torch.manual_seed(0)
    whole, short = ObjectAttention(12, 6), ObjectAttention(12, 6)
    short.load_state_dict(whole.state_dict())
    whole.train(training), short.train(training)
    pixels, pooled = torch.randn(3, 12, 5, 7), torch.randn(3, 12, 1, 1)
    assert torch.allclose(
        short(pooled, (5, 7)), literal_attention(whole, pixels, pooled), atol=1e-6
    )
    for key in ("f_up.1.0.running_var", "f_up.1.0.running_mean", "f_down.1.0.running_var"):
        assert torch.allclose(short.state_dict()[key], whole.state_dict()[key], atol=1e-6), key


def test_shapes() -> None:
    head = OCRHead(20, 6)
    logits, aux, features = head(torch.rand(2, 20, 9, 11))
    assert logits.shape == aux.shape == (2, 1, 9, 11)
    assert features.shape == (2, head.out_channels, 9, 11)


def test_a_single_sample_can_be_answered_but_not_trained_on() -> None:
    head = OCRHead(20, 6)
    with pytest.raises(IsegmError, match="batch size"):
        head(torch.rand(1, 20, 9, 11))
    assert head.eval()(torch.rand(1, 20, 9, 11))[0].shape == (1, 1, 9, 11)


def test_only_the_dead_branches_are_frozen() -> None:
    frozen = {
        name.split(".")[1] for name, p in OCRHead(20, 6).named_parameters() if not p.requires_grad
    }
    assert frozen == {"f_pixel", "f_object"}
