"""Synthetic scenes: the same for the same seed, of fair size, and not to be told by colour."""

import cv2
import numpy as np

from isegm.data.sources.synthetic import SyntheticEvaluation, SyntheticSource, scene


def test_same_seed_same_scene() -> None:
    first, second = (scene(np.random.default_rng(4), 64, 96) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], scene(np.random.default_rng(5), 64, 96)[0])


def test_labels_are_consecutive_and_visible() -> None:
    for seed in range(30):
        image, labels = scene(np.random.default_rng(seed), 128, 128)
        assert image.dtype == labels.dtype == np.uint8
        counts = np.bincount(labels.ravel())
        assert (counts[1:] >= 128 * 128 // 100).all()
        assert len(counts) <= 6


def test_source_follows_the_generator_it_is_given() -> None:
    source = SyntheticSource((48, 64), 10)
    assert len(source) == 10
    a, b = source.read(0, np.random.default_rng(1)), source.read(5, np.random.default_rng(1))
    assert np.array_equal(a.image, b.image)
    assert set(a.objects.values()) == set(b.objects.values())
    assert not np.array_equal(a.image, source.read(0, np.random.default_rng(2)).image)
    assert all(area > 0 for area in a.areas().values())


def test_repeated_scenes_are_the_same_for_every_generator() -> None:
    source = SyntheticSource((48, 64), 3, repeated=True)
    first, again, other = (
        source.read(i, np.random.default_rng(s)) for i, s in ((0, 1), (0, 2), (1, 1))
    )
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.layers, again.layers)
    assert not np.array_equal(first.image, other.image)


def test_evaluation_set() -> None:
    dataset, longer = SyntheticEvaluation(12), SyntheticEvaluation(20)
    assert len(dataset) == 12
    assert dataset.ids() == longer.ids()[:12]
    assert dataset.fingerprint() == SyntheticEvaluation(12).fingerprint() != longer.fingerprint()
    for i in range(12):
        sample, other = dataset[i], longer[i]
        assert np.array_equal(sample.image, other.image)
        assert np.array_equal(sample.gt, other.gt)
        assert sample.gt.dtype == np.int8
        assert sample.gt.sum() > 200
        assert sample.image.shape[:2] == sample.gt.shape
    assert len({dataset[i].image.shape for i in range(12)}) == 4, "several view shapes"


def test_colour_alone_does_not_solve_them() -> None:
    """The best threshold on the distance to the clicked colour, chosen knowing the answer, fails
    for many objects.
    """
    best = []
    for sample in (SyntheticEvaluation(30)[i] for i in range(30)):
        gt = sample.gt == 1
        depth = cv2.distanceTransform(np.pad(gt, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
        y, x = np.unravel_index(depth.argmax(), depth.shape)
        blurred = cv2.GaussianBlur(sample.image, (5, 5), 0).astype(float)
        distance = np.linalg.norm(blurred - blurred[y, x], axis=-1)
        answers = [distance < threshold for threshold in range(5, 200, 5)]
        best.append(max((gt & a).sum() / (gt | a).sum() for a in answers))
    assert np.mean(np.array(best) >= 0.85) < 0.7
    assert np.mean(best) < 0.9


def test_shapes_vary() -> None:
    """Among the objects are holed, thin and broken-up ones, and plain ones."""
    holes, thin, pieces = [], [], []
    for i in range(40):
        gt = (SyntheticEvaluation(40)[i].gt == 1).astype(np.uint8)
        _, hierarchy = cv2.findContours(gt, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
        holes.append((hierarchy[0, :, 3] >= 0).any())
        pieces.append(cv2.connectedComponents(gt)[0] > 2)
        thin.append(
            cv2.distanceTransform(np.pad(gt, 1), cv2.DIST_L2, 3).max() < 0.25 * np.sqrt(gt.sum())
        )
    for share in (np.mean(holes), np.mean(thin), np.mean(pieces)):
        assert 0 < share < 0.7
