"""No method, predictor or training round mixes devices: everything runs on a pretended GPU
(tests/pretend.py), and answers as on the CPU. Gradients cannot be pretended.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pretend import Factories, Far, MixedDevices, pretended_gpu

from isegm.core.clicks import Click
from isegm.core.registry import build
from isegm.data.sources.synthetic import SyntheticEvaluation
from isegm.evaluation.evaluate import evaluate
from isegm.evaluation.lockstep import LockStepSettings
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import load_protocol
from isegm.inference.speed import for_evaluation
from isegm.methods import ritm
from isegm.selftest.samples import batch_of, copied, methods, picture, round_on, settled, target_on
from isegm.training.experiment import Training
from isegm.training.learner import Learner
from isegm.training.logging import picture as training_picture
from isegm.training.users.iterative import Iterative
from isegm.utils.processes import Process

METHODS = sorted(methods())
SMALL = {"simpleclick": [128, 128], "click_attention": [128, 128], "cdnet": [96, 96]}
SMALL |= {"segnext": [96, 96], "mfp": [96, 96]}


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch):
    with torch.no_grad(), pretended_gpu(monkeypatch) as device:
        yield device


def test_the_pretended_gpu_refuses_what_a_gpu_refuses(gpu: torch.device) -> None:
    there = torch.zeros(2, 3, device=gpu)
    assert there.device == gpu
    assert (there + torch.tensor(1.0)).tolist() == [[1.0] * 3] * 2  # a number may come from the CPU
    with pytest.raises(MixedDevices):
        there + torch.ones(3)
    with pytest.raises(RuntimeError, match="numpy"):
        there.numpy()
    assert there.cpu().numpy().sum() == 0


@pytest.mark.parametrize("method", METHODS)
def test_answers_and_losses(method: str, gpu: torch.device) -> None:
    model = settled(method).requires_grad_(False)
    cpu = torch.device("cpu")
    here, there = model(round_on(cpu)), copied(model, gpu)
    round_, target = round_on(gpu), target_on(gpu)
    pred = there(round_)
    losses = there.losses(pred, target, round_)
    assert isinstance(pred.logits, Far)
    torch.testing.assert_close(pred.logits.cpu(), here.logits)
    expected = model.losses(here, target_on(cpu), round_on(cpu))
    for name, loss in losses.items():
        torch.testing.assert_close(loss.cpu(), expected[name])


@pytest.mark.parametrize("method", [m for m in METHODS if not methods()[m]().infer_with_grad])
def test_sessions(method: str, gpu: torch.device) -> None:
    """Through the method's own protocol, with whatever it does after an answer."""
    model = settled(method).requires_grad_(False)
    protocol = load_protocol(model.protocol).for_users()
    if method in SMALL:
        protocol = protocol.with_entries("view", size=SMALL[method])
    ends = []
    for network in (model, copied(model, gpu)):
        predictor = protocol.predictor(network)
        session = predictor.start(picture(), np.zeros((120, 160), np.float32))
        for click in (Click(50, 60, True), Click(100, 140, False), Click(20, 30, True)):
            session = predictor.click(session, click)
        ends.append(session.prob)
    assert isinstance(ends[1], Far)
    torch.testing.assert_close(ends[1].cpu(), ends[0])


def test_an_evaluation(gpu: torch.device, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Predictor.answer

    def in_any_thread(self, requests):
        with Factories():  # a mode counts in one thread only
            return answer(self, requests)

    model = settled("ritm").requires_grad_(False)
    protocol = load_protocol("ritm").for_dataset("synthetic").changed(max_clicks=2)
    settings = LockStepSettings(window=4, threads=2, ahead=2, passes=1)
    here = evaluate(protocol.predictor(model), SyntheticEvaluation(2), protocol, settings=settings)
    monkeypatch.setattr(Predictor, "answer", in_any_thread)
    there = protocol.predictor(for_evaluation(copied(model, gpu)))
    result = evaluate(there, SyntheticEvaluation(2), protocol, settings=settings)
    assert [o.clicks for o in result.objects] == [o.clicks for o in here.objects]


def test_a_training_round(gpu: torch.device) -> None:
    """Everything of a step but gradients: copies, corrections, metrics, pictures."""
    config = Training(batch_size=4, channels_last=True)
    parts = (build(part) for part in (config.optimizer, config.schedule))
    model = ritm.tiny()
    learner = Learner(model, config, *parts, Iterative(), Process(device=gpu))
    round_, target = learner.round(batch_of(4), 2)
    losses, logits = learner.step(round_, target)
    learner.state.iou.update(logits, target)
    learner.close()
    assert isinstance(round_.prev_prob, Far)
    assert round_.clicks.label.shape == (4, 4)
    assert torch.stack(list(losses.values())).isfinite().all()
    assert training_picture(round_, target, logits, rows=2).dtype == np.uint8
