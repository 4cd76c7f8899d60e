"""Large networks on small machines: activation checkpointing, frozen parts, LoRA."""

import dataclasses

import pytest
import torch

from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.registry import build, spec
from isegm.core.rounds import Round
from isegm.methods import emc_click, focalclick, ritm, simpleclick
from isegm.methods.checkpoints import save_model
from isegm.nn.low_rank import LowRankLinear, adapters, load_adapters
from isegm.nn.recompute import Blocks, recompute_blocks
from isegm.originals.loading import load_model
from isegm.training.adaptation import Frozen, LoRA
from isegm.training.checkpoint import read_checkpoint, write_checkpoint
from isegm.training.optimisation import Adam, AverageModel
from isegm.training.options import RunOptions
from isegm.training.trainer import Trainer

SPEC = simpleclick.simpleclick("tiny", 64)


def small():
    torch.manual_seed(0)
    return build(SPEC)


@pytest.fixture
def round_():
    rng = torch.Generator().manual_seed(0)
    yx = 60 * torch.rand(2, 2, 2, generator=rng, dtype=torch.float64)
    image = torch.rand(2, 3, 64, 64, generator=rng)
    previous = torch.rand(2, 1, 64, 64, generator=rng)
    return Round(image, Clicks(yx, torch.tensor([[1, 0], [1, 1]])), previous)


TARGET = torch.zeros(2, 1, 64, 64)
TARGET[:, :, 10:40, 20:50] = 1


def learn(model, round_):
    losses = model.losses(model(round_), TARGET, round_)
    sum(losses.values()).backward()
    return {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def moved(model, round_, steps=2):
    """The network after a few steps, so that a change of low rank is not zero."""
    optimizer = Adam(lr=1e-2).of(model)
    for _ in range(steps):
        optimizer.zero_grad()
        learn(model, round_)
        optimizer.step()
    return model


@pytest.mark.parametrize("tiny", [small, focalclick.tiny])
def test_recomputed_blocks_have_the_same_gradients(tiny, round_):
    torch.manual_seed(0)
    plain = tiny()
    torch.manual_seed(0)
    saving = tiny()
    recompute_blocks(saving)
    made = []
    for model in (plain, saving):
        torch.manual_seed(1)  # of stochastic depth
        made.append(learn(model.train(), round_))
    assert made[0].keys() == made[1].keys()
    for name, grad in made[0].items():
        assert torch.allclose(grad, made[1][name], rtol=1e-5, atol=1e-7), name


def test_recomputed_blocks_run_twice_in_training_and_once_otherwise(round_):
    model, calls = small(), []
    recompute_blocks(model)
    model.backbone.blocks[0].register_forward_pre_hook(lambda *_: calls.append(1))
    learn(model, round_)
    assert len(calls) == 2
    with torch.no_grad():
        model(round_)
    assert len(calls) == 3


def test_a_network_without_blocks_cannot_recompute():
    with pytest.raises(IsegmError, match=r"RITM has no transformer blocks.*micro_batch"):
        recompute_blocks(ritm.tiny())
    assert not any(isinstance(module, Blocks) for module in ritm.tiny().modules())


def test_frozen_parts_have_neither_gradients_nor_optimizer_state(round_):
    model = small()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    Frozen(["backbone"], ["backbone.patch_embed_coords"]).apply(model)
    optimizer = Adam(lr=1e-2).of(model)
    names = set(learn(model, round_))
    optimizer.step()
    assert "backbone.patch_embed_coords.proj.weight" in names
    assert not any(n.startswith("backbone.") and "coords" not in n for n in names)
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for n, p in model.named_parameters() if n in names}
    assert len(optimizer.state) == len(names)
    for name, value in model.state_dict().items():
        frozen = name.startswith("backbone.") and "coords" not in name
        assert torch.equal(value, before[name]) or not frozen
    assert not torch.equal(model.head.state_dict()[key(model)], before[f"head.{key(model)}"])


def key(model):
    return next(iter(model.head.state_dict()))


def test_frozen_batch_norms_keep_their_statistics(round_):
    torch.manual_seed(0)
    model = emc_click.tiny()
    names, before = list(model.state_dict()), model.state_dict()
    before = {name: value.clone() for name, value in before.items()}
    with torch.no_grad():
        expected = model.eval().backbone(round_.image, None)
    Frozen(["backbone"]).apply(model)
    model.train()
    with torch.no_grad():
        assert torch.allclose(model.backbone(round_.image, None), expected, atol=1e-5)
    model(round_)
    after = model.state_dict()
    assert list(after) == names
    assert all(torch.equal(after[n], before[n]) for n in names if n.startswith("backbone."))
    assert any(not torch.equal(after[n], before[n]) for n in names if n.startswith("refiner."))


def test_lora_begins_as_the_network_that_it_adapts(round_):
    plain, model = small().eval(), small().eval()
    LoRA(rank=2).apply(model)
    assert torch.equal(plain(round_).logits, model(round_).logits)
    layers = [m for m in model.modules() if isinstance(m, LowRankLinear)]
    assert len(layers) == 2 * len(model.backbone.blocks)
    names = set(learn(model, round_))
    assert {n for n in names if n.startswith("backbone.blocks")} == {
        f"backbone.blocks.{i}.attn.{layer}.{part}"
        for i in range(len(model.backbone.blocks))
        for layer in ("qkv", "proj")
        for part in ("lora_a", "lora_b")
    }


def test_saved_weights_are_those_of_a_plain_network(round_, tmp_path):
    model = small()
    LoRA(rank=2).apply(model)
    moved(model, round_).eval()
    assert list(model.state_dict()) == list(small().state_dict())
    save_model(tmp_path / "merged.safetensors", model, SPEC)
    merged = load_model(tmp_path / "merged.safetensors").model.eval()
    assert not any(isinstance(m, LowRankLinear) for m in merged.modules())
    with torch.no_grad():
        a, b, c = (m(round_).logits for m in (model, merged, small().eval()))
    assert torch.allclose(a, b, atol=1e-5)
    assert not torch.allclose(a, c, atol=1e-2)


def test_adapters_restore_the_parts_apart(round_):
    model, other = small(), small()
    for network in (model, other):
        LoRA(rank=2).apply(network)
    moved(model, round_)
    other.load_state_dict(model.state_dict())
    base = "backbone.blocks.0.attn.qkv.weight"
    assert not torch.equal(other.get_parameter(base), model.get_parameter(base))
    load_adapters(other, adapters(model))
    for (name, a), (_, b) in zip(model.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(a, b), name


def test_an_average_of_adapted_networks_is_saved_plain(round_):
    model = small()
    LoRA(rank=2).apply(model)
    average = AverageModel(model, 0.5)
    moved(model, round_)
    average.update(100)
    assert list(average.model.state_dict()) == list(small().state_dict())
    base = "backbone.blocks.0.attn.qkv.weight"
    assert torch.equal(average.model.get_parameter(base), model.get_parameter(base))


def test_mistakes_are_answered():
    with pytest.raises(IsegmError, match=r"part of SimpleClick.*'bakbone'.*backbone"):
        Frozen(["bakbone"]).apply(small())
    with pytest.raises(IsegmError, match="nothing is left to learn"):
        Frozen(["backbone", "neck", "head"]).apply(small())
    with pytest.raises(IsegmError, match=r"no such linear layer, but attn.proj, attn.qkv"):
        LoRA(layers=["attention"]).apply(small())
    with pytest.raises(IsegmError, match="rank=0 of LoRA: expected at least 1"):
        LoRA(rank=0)


@pytest.fixture
def vit_trainer(experiment_of, cfg):
    """Trainers of a small ViT with LoRA on toy discs."""

    def made(run=None, **train):
        adapt = spec(LoRA, rank=2, alpha=4.0)
        experiment = experiment_of(adapt=adapt, ema=0.9, activation_checkpointing=True, **train)
        experiment = dataclasses.replace(experiment, model=SPEC)
        return Trainer(experiment, cfg, RunOptions(cpu=True, **(run or {})))

    return made


def test_an_experiment_adapts_and_resumes_exactly(vit_trainer):
    whole = vit_trainer(run={"exp_name": "whole"}, length=8).fit()
    vit_trainer(run={"exp_name": "parts"}, length=8, max_steps=1).fit()
    parts = vit_trainer(run={"exp_name": "parts", "resume": "001_parts"}, length=8).fit()
    expected, made = (
        read_checkpoint(f / "checkpoints/last_checkpoint.pth") for f in (whole, parts)
    )
    for kept in ("model", "ema", "adapters"):
        a, b = (flat(checkpoint[kept]) for checkpoint in (expected, made))
        assert a.keys() == b.keys()
        assert all(torch.equal(value, b[name]) for name, value in a.items()), kept
    assert expected["adapters"]["model"]["backbone.blocks.0.attn.qkv.lora_b"].any()
    plain = load_model(whole / "model.safetensors").model
    assert not any(isinstance(module, LowRankLinear) for module in plain.modules())


def flat(values, prefix=""):
    if isinstance(values, torch.Tensor):
        return {prefix: values}
    return {
        k: v for name, value in values.items() for k, v in flat(value, f"{prefix}/{name}").items()
    }


def test_a_run_older_than_a_setting_can_be_resumed(trainer_of):
    folder = trainer_of(max_steps=3).fit()
    path = folder / "checkpoints" / "last_checkpoint.pth"
    saved = read_checkpoint(path)
    for name in ("adapt", "click_losses", "activation_checkpointing"):
        del saved["experiment"]["train"][name]
    write_checkpoint(path, saved)
    trainer_of(run={"resume": str(folder)}).fit()
    with pytest.raises(IsegmError, match=r"train.adapt.*another|another.*train.adapt"):
        trainer_of(adapt=spec(Frozen, parts=["head"]), run={"resume": str(folder)}).fit()
