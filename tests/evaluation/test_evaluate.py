"""Known answers: what NoC must be for models and curves whose answer can be written down."""

import numpy as np
import pytest
from painted import Listed, Painted, painted
from probe import ProbeNet, probe_gt, probe_image

from isegm.core.clicks import Clicks
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round
from isegm.core.samples import Sample
from isegm.data.evaluation_sets import CorruptSample
from isegm.evaluation.evaluate import evaluate
from isegm.evaluation.lockstep import LockStepSettings
from isegm.evaluation.metrics import clicks_to_reach, mask_iou, noc, summarise
from isegm.evaluation.results import ObjectRecord
from isegm.inference.predictor import Predictor
from isegm.inference.protocol import Protocol, load_protocol
from isegm.inference.views.whole_image import WholeImage
from isegm.methods.base import ClickModel

WHOLE = Protocol("test", 1, view={"rule": "whole_image"})


def run(model: ClickModel, samples: list, protocol: Protocol = WHOLE, **settings: int):
    predictor = protocol.predictor(model)
    return evaluate(predictor, Listed(samples), protocol, settings=LockStepSettings(**settings))


def test_a_perfect_predictor_needs_one_click() -> None:
    result = run(Painted(wait=0), [painted(i) for i in range(5)])
    assert result.metrics["NoC@90"] == 1
    assert result.metrics["fail@90"] == 0
    assert result.metrics["mIoU@1"] == 1


def test_one_that_never_answers_needs_all_clicks_and_always_fails() -> None:
    result = run(Painted(wait=99), [painted(i) for i in range(5)])
    assert result.metrics["NoC@85"] == result.metrics["NoC@90"] == 20
    assert result.metrics["fail@90"] == result.metrics[">=20@90"] == 5
    assert [len(o.clicks) for o in result.objects] == [20] * 5
    assert len(set(result.objects[0].clicks)) == 20  # it never clicks a pixel twice


def test_success_with_the_last_click_counts_as_twenty_but_is_no_failure() -> None:
    result = run(Painted(wait=19), [painted(i) for i in range(3)])
    assert result.metrics["NoC@90"] == 20
    assert result.metrics[">=20@90"] == 3
    assert result.metrics["fail@90"] == 0


def test_a_scripted_curve_gives_the_hand_computed_numbers() -> None:
    curves = [[0.5, 0.86, 0.91], [0.2, 0.3, 0.4], [0.9], [0.1, 0.849999, 0.8500001]]
    assert noc(curves, 0.85, 20) == (2 + 20 + 1 + 3) / 4
    assert noc(curves, 0.9, 20) == (3 + 20 + 1 + 20) / 4
    records = [ObjectRecord("", ((0, 0, 1),) * len(c), tuple(c), (0.1,) * len(c)) for c in curves]
    table = summarise(records, (0.85, 0.9), 20)
    assert table["fail@90"] == 2
    assert table["mIoU@3"] == pytest.approx((0.91 + 0.4 + 0.9 + 0.8500001) / 4)


def test_thresholds_are_compared_in_single_precision() -> None:
    assert clicks_to_reach([0.89999998], 0.9) == 1
    assert clicks_to_reach([0.8999], 0.9) is None


def test_iou_leaves_ignored_pixels_out() -> None:
    gt = np.array([[1, 1, 0, -1]], np.int8)
    assert mask_iou(np.array([[True, False, False, True]]), gt) == 0.5
    assert mask_iou(np.array([[True, True, False, True]]), gt) == 1
    assert mask_iou(np.zeros((2, 2), bool), np.zeros((2, 2), np.int8)) == 1


def test_stops_at_the_target_but_not_before_the_least_number_of_clicks() -> None:
    assert len(run(Painted(wait=2), [painted(0)]).objects[0].ious) == 3
    least = run(
        Painted(wait=2),
        [painted(0)],
        Protocol("test", 1, view={"rule": "whole_image"}, min_clicks=6),
    )
    assert len(least.objects[0].ious) == 6


@pytest.mark.parametrize(
    "settings", [{"window": 2, "threads": 1, "ahead": 1}, {"window": 64, "threads": 4, "ahead": 9}]
)
def test_results_do_not_depend_on_the_layout_of_the_work(settings: dict[str, int]) -> None:
    protocol = load_protocol("ritm").changed(max_clicks=6)
    shapes = [(200, 320), (240, 320), (240, 300)]
    samples = [
        Sample(
            probe_image()[: shapes[i % 3][0], : shapes[i % 3][1]].copy(),
            probe_gt(i % 2 == 0)[: shapes[i % 3][0], : shapes[i % 3][1]],
            f"s{i}",
        )
        for i in range(7)
    ]
    alone = [run(ProbeNet(True), [sample], protocol).objects[0] for sample in samples]
    together = run(ProbeNet(True), samples, protocol, **settings).objects
    for a, b in zip(alone, together, strict=True):
        assert a.clicks == b.clicks
        assert a.ious == pytest.approx(b.ious, abs=1e-6)


def test_broken_samples_are_skipped_and_counted() -> None:
    empty = Sample(np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.int8), "empty")
    result = run(
        Painted(wait=0),
        [painted(0), CorruptSample("sample1.jpg cannot be read"), empty, painted(3)],
    )
    assert [o.id for o in result.objects] == ["sample0", "sample3"]
    assert [name for name, _ in result.skipped] == ["sample1", "empty"]
    with pytest.raises(IsegmError, match="none of 1 objects could be evaluated"):
        run(Painted(wait=0), [empty])


def test_extreme_objects() -> None:
    pixel, full = np.zeros((30, 40), np.int8), np.ones((30, 40), np.int8)
    pixel[29, 39] = 1
    samples = [
        Sample(np.dstack([255 * (gt == 1)] * 3).astype(np.uint8), gt, str(i))
        for i, gt in enumerate((pixel, full))
    ]
    assert run(Painted(wait=0), samples).metrics["NoC@90"] == 1


def test_starting_from_a_mask_the_first_click_corrects_it() -> None:
    sample = painted(0)
    half = (sample.gt == 1).astype(np.float32)
    half[:, 20:] = 0
    result = run(Painted(wait=0), [Sample(sample.image, sample.gt, "half", half)])
    y, x, label = result.objects[0].clicks[0]
    assert (y, label) == (9, 1) or x >= 20
    assert x >= 20


def test_limit_takes_the_first_objects() -> None:
    predictor = Predictor(Painted(wait=0), WholeImage())
    result = evaluate(predictor, Listed([painted(i) for i in range(5)]), WHOLE, limit=2)
    assert [o.id for o in result.objects] == ["sample0", "sample1"]


def test_the_observer_sees_every_click() -> None:
    seen: list[tuple[str, int]] = []
    predictor = Predictor(Painted(wait=1), WholeImage())
    evaluate(
        predictor,
        Listed([painted(0)]),
        WHOLE,
        observer=lambda sample, session, ious: seen.append((sample.id, len(ious))),
    )
    assert seen == [("sample0", 1), ("sample0", 2)]


def test_clicks_are_given_in_order() -> None:
    counts: list[int] = []

    class Watching(Painted):
        def forward(self, round_: Round) -> Prediction:
            assert isinstance(round_.clicks, Clicks)
            counts.append(int(round_.clicks.count[0]))
            return super().forward(round_)

    run(Watching(wait=3), [painted(0)])
    assert counts == [1, 2, 3, 4]
