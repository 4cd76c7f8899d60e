"""A short NoC evaluation for the trainer to run between epochs."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from easydict import EasyDict

from isegm.data.evaluation_sets import evaluation_set
from isegm.evaluation.evaluate import evaluate
from isegm.inference.protocol import load_protocol
from isegm.methods.base import ClickModel


def noc_validation(
    cfg: EasyDict, names: Sequence[str], limit: int | None = None, protocol: str | None = None
) -> Callable[[ClickModel, int], dict[str, float]]:
    """The ``validate`` argument of ``Trainer``: the metrics of some evaluation sets, each under
    ``<set>/<metric>``.

    Args:
        names: evaluation sets; opened now, so that a missing one is noticed before training.
        limit: only this many objects of each, the first ones.
        protocol: by default the method's own.
    """
    sets = [evaluation_set(name, cfg) for name in names]

    def validate(model: ClickModel, epoch: int) -> dict[str, float]:
        metrics = {}
        for dataset in sets:
            rules = load_protocol(protocol or model.protocol).for_dataset(dataset.name)
            result = evaluate(rules.predictor(model), dataset, rules, limit=limit)
            metrics |= {f"{dataset.name}/{name}": value for name, value in result.metrics.items()}
        return metrics

    return validate
