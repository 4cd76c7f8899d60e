"""Volumes to slices and back: every orientation, presets, and whatever is wrong with a file."""

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layouts import config, picture, write

from isegm.core.errors import IsegmError
from isegm.data.evaluation_sets import evaluation_set
from isegm.data.medical import volumes
from isegm.data.medical.cases import cases
from isegm.data.medical.organs import ORGANS, parse_window, to_gray
from isegm.data.medical.slices import (
    SliceSettings,
    assemble,
    extract,
    extracted,
    read_sidecar,
    read_sidecars,
)
from isegm.data.medical.sources import ScanPair, decathlon, label_names, single_pair
from isegm.data.medical.volumes import read_object, read_volume, write_mask
from isegm.data.reading import read_image, read_mask

nibabel = pytest.importorskip("nibabel")

DATA = Path(os.environ.get("ISEGM_DATA", ""))
SPLEEN = SliceSettings("spleen", (1,), parse_window("abdomen"))
SPACING = {"R": 0.7, "A": 0.9, "S": 2.5}


def affine_of(orientation: str, turned: float = 0.0) -> np.ndarray:
    """Axes pointing as named, with a spacing of their own each, turned about the body axis by an
    angle.
    """
    affine = np.eye(4)
    for axis, code in enumerate(orientation):
        direction = next(pair for pair in ("RL", "AP", "SI") if code in pair)
        affine[:3, axis] = 0
        affine["RAS".index(direction[0]), axis] = SPACING[direction[0]] * (
            1 if code == direction[0] else -1
        )
    sine, cosine = np.sin(turned), np.cos(turned)
    affine[:2, :3] = np.array([[cosine, -sine], [sine, cosine]]) @ affine[:2, :3]
    affine[:3, 3] = (-31.5, 12.25, 94.125)
    return affine


def save(path: Path, values: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(values, affine), path)
    return path


def patch(path: Path, start: int, data: bytes) -> None:
    """Overwrite bytes of a header; saving with nibabel would mend them."""
    written = bytearray(gzip.decompress(path.read_bytes()))
    written[start : start + len(data)] = data
    path.write_bytes(gzip.compress(written))


def labels_of(shape: tuple[int, ...] = (9, 11, 13), seed: int = 0) -> np.ndarray:
    """Noise of labels 0 .. 2 in a part of the volume, so that no flip or transposition looks the
    same.
    """
    labels = np.zeros(shape, np.uint8)
    labels[2:7, 3:9, 4:10] = np.random.default_rng(seed).integers(0, 3, (5, 6, 6))
    return labels


def pair_in(
    folder: Path, orientation: str = "RAS", turned: float = 0.0, name: str = "case"
) -> ScanPair:
    labels, affine = labels_of(), affine_of(orientation, turned)
    scan = save(folder / "imagesTr" / f"{name}.nii.gz", (labels * 60).astype(np.int16), affine)
    return single_pair(scan, save(folder / "labelsTr" / f"{name}.nii.gz", labels, affine))


@pytest.mark.parametrize("turned", [0.0, 0.3])
@pytest.mark.parametrize("orientation", ["RAS", "LPS", "LAS", "SAR", "PIR", "ASL"])
def test_round_trip(tmp_path: Path, orientation: str, turned: float) -> None:
    pair = pair_in(tmp_path, orientation, turned)
    sidecar = extract(pair, SPLEEN, tmp_path / "out")
    assert sidecar == read_sidecar(tmp_path / "out" / "volumes" / "case.json")
    assert sidecar.geometry.orientation == orientation
    assert sidecar.geometry.spacing == pytest.approx((SPACING["S"], SPACING["A"], SPACING["R"]))
    write_mask(
        tmp_path / "back.nii.gz", assemble(sidecar, tmp_path / "out" / "masks"), sidecar.geometry
    )
    back, label = nibabel.load(tmp_path / "back.nii.gz"), nibabel.load(pair.label)
    assert np.array_equal(back.dataobj, np.asarray(label.dataobj) == 1)
    assert np.array_equal(back.affine, label.affine)
    assert np.allclose(back.get_qform(), label.affine, atol=1e-5)


@pytest.mark.parametrize("orientation", ["RAS", "LPS", "PIR"])
def test_slices_lie_as_radiologists_look_at_them(tmp_path: Path, orientation: str) -> None:
    """One voxel at the patient's left, at the back, high up: right, bottom, and a high number."""
    ras = np.zeros((6, 7, 8), np.uint8)
    ras[0, 1, 6] = 1
    image = nibabel.Nifti1Image(ras, affine_of("RAS"))
    wanted = nibabel.orientations.axcodes2ornt(orientation)
    image = image.as_reoriented(
        nibabel.orientations.ornt_transform(nibabel.io_orientation(image.affine), wanted)
    )
    path = save(tmp_path / "label.nii", np.asarray(image.dataobj), image.affine)
    found = read_object(path, (1,)).values
    assert found.shape == (8, 7, 6)
    assert np.argwhere(found).tolist() == [[6, 5, 5]]


def test_empty_slices_are_skipped_and_counted(tmp_path: Path) -> None:
    sidecar = extract(pair_in(tmp_path), SPLEEN, tmp_path / "out")
    assert sidecar.slices == tuple(range(4, 10))
    assert (sidecar.empty, sidecar.left_out) == (7, 0)
    assert sidecar.pixels == tuple((labels_of()[:, :, k] == 1).sum() for k in range(4, 10))
    assert sorted(path.stem for path in (tmp_path / "out" / "masks").iterdir()) == sidecar.ids


def test_only_the_largest_slice(tmp_path: Path) -> None:
    sidecar = extract(pair_in(tmp_path), replace(SPLEEN, largest_only=True), tmp_path / "out")
    counts = (labels_of() == 1).sum((0, 1))
    assert sidecar.slices == (counts.argmax(),)
    assert sidecar.left_out == 5
    with pytest.raises(IsegmError, match="only the largest slice"):
        assemble(sidecar, tmp_path / "out" / "masks")
    (case,) = cases(tmp_path / "out", tmp_path / "out" / "masks", "spleen", (1,))
    assert not case.complete


def test_what_is_there_is_not_extracted_again(tmp_path: Path) -> None:
    pair, out = pair_in(tmp_path), tmp_path / "out"
    assert extracted(pair, SPLEEN, out) is None
    sidecar = extract(pair, SPLEEN, out)
    assert extracted(pair, SPLEEN, out) == sidecar
    (out / "masks" / f"{sidecar.ids[0]}.png").unlink()
    assert extracted(pair, SPLEEN, out) is None
    other = replace(SPLEEN, labels=(1, 2))
    with pytest.raises(IsegmError, match="other settings"):
        extracted(pair, other, out)
    write(out / "masks" / "case_0012.png", picture())
    extract(pair, other, out)
    assert not (
        out / "masks" / "case_0012.png"
    ).exists()  # left by another extraction, it would be evaluated along


def test_a_volume_without_the_object_leaves_a_sidecar(tmp_path: Path) -> None:
    sidecar = extract(pair_in(tmp_path), replace(SPLEEN, labels=(7,)), tmp_path / "out")
    assert sidecar.slices == ()
    assert sidecar.empty == 13
    assert not assemble(sidecar, tmp_path / "nowhere").any()


def test_labels_stored_another_way_round_still_match(tmp_path: Path) -> None:
    pair = pair_in(tmp_path)
    label = nibabel.load(pair.label)
    flipped = label.as_reoriented(nibabel.orientations.axcodes2ornt("PSL"))
    save(pair.label, np.asarray(flipped.dataobj), flipped.affine)
    sidecar = extract(pair, SPLEEN, tmp_path / "out")
    back = sidecar.geometry.from_slices(assemble(sidecar, tmp_path / "out" / "masks"))
    assert np.array_equal(back, labels_of() == 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: save(a.label, labels_of(), affine_of("LAS")), "does not lie on the grid"),
        (
            lambda a: save(a.label, labels_of()[:, :, :-1], affine_of("RAS")),
            "does not lie on the grid",
        ),
        (
            lambda a: save(a.image, np.zeros((9, 11, 13, 2), np.int16), affine_of("RAS")),
            "4-dimensional",
        ),
        (lambda a: save(a.label, labels_of()[..., None], affine_of("RAS")), "4-dimensional"),
        (lambda a: save(a.label, labels_of()[0], affine_of("RAS")), "2-dimensional"),
        (lambda a: save(a.image, np.zeros((9, 0, 13), np.int16), affine_of("RAS")), "is empty"),
        (lambda a: save(a.label, labels_of() / np.float32(2), affine_of("RAS")), "holds fractions"),
        (
            lambda a: patch(a.image, 312, bytes(16)),
            "no usable orientation",
        ),  # the third row of the affine
        (lambda a: a.image.unlink(), "does not exist"),
        (lambda a: a.image.write_bytes(b"nothing of the kind"), "not a readable NIfTI file"),
        (
            lambda a: a.image.write_bytes(a.image.read_bytes()[:-60]),
            "cannot be read to its end|not a readable",
        ),
    ],
    ids=[
        "flipped",
        "shape",
        "4-D",
        "4-D label",
        "2-D",
        "empty",
        "fractions",
        "flat",
        "missing",
        "no NIfTI",
        "cut off",
    ],
)
def test_files_that_cannot_be_used(tmp_path: Path, change, message: str) -> None:
    pair = pair_in(tmp_path)
    change(pair)
    with pytest.raises(IsegmError, match=message):
        extract(pair, SPLEEN, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_file_that_does_not_say_how_it_is_oriented(tmp_path: Path) -> None:
    path = pair_in(tmp_path).image
    patch(path, 252, bytes(4))  # the two codes
    with pytest.raises(IsegmError, match="does not say how it is oriented"):
        read_volume(path)


def test_without_nibabel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pair = pair_in(tmp_path)
    extract(pair, SPLEEN, tmp_path / "out")
    monkeypatch.setattr(volumes, "nibabel", None)
    with pytest.raises(IsegmError, match=r"\[medical\]"):
        read_volume(pair.image)
    with pytest.raises(IsegmError, match=r"\[medical\]"):
        list(cases(tmp_path / "out", tmp_path / "out" / "masks", "spleen", (1,)))
    assert len(evaluation_set("spleen", config(SPLEEN_PATH=tmp_path / "out"))) == 6, (
        "slices alone need no volumes"
    )


def test_writing_checks_size_and_name(tmp_path: Path) -> None:
    volume = read_volume(pair_in(tmp_path).image)
    with pytest.raises(IsegmError, match="expected"):
        write_mask(tmp_path / "a.nii.gz", volume.values[1:] > 0, volume.geometry)
    with pytest.raises(IsegmError, match="ends in"):
        write_mask(tmp_path / "a.png", volume.values > 0, volume.geometry)


def test_decathlon_folders(tmp_path: Path) -> None:
    pairs = [pair_in(tmp_path, name=name) for name in ("b", "a")]
    (tmp_path / "imagesTr" / "._a.nii.gz").write_bytes(b"left by another system")
    assert decathlon(tmp_path) == pairs[::-1]
    assert label_names(tmp_path) == {}
    listed = {"image": "./imagesTr/b.nii.gz", "label": "./labelsTr/b.nii.gz"}
    description = {"labels": {"0": "background", "1": "spleen"}, "training": [listed]}
    (tmp_path / "dataset.json").write_text(json.dumps(description))
    assert decathlon(tmp_path) == pairs[:1]
    assert label_names(tmp_path) == {0: "background", 1: "spleen"}
    (tmp_path / "dataset.json").write_text(json.dumps(description | {"training": [listed, listed]}))
    with pytest.raises(IsegmError, match="2 scans are called b"):
        decathlon(tmp_path)


def test_decathlon_folders_with_gaps(tmp_path: Path) -> None:
    with pytest.raises(IsegmError, match="there is no folder"):
        decathlon(tmp_path)
    pairs = [pair_in(tmp_path, name=name) for name in ("a", "b")]
    pairs[1].label.unlink()
    with pytest.raises(IsegmError, match="1 of 2 label volumes are missing"):
        decathlon(tmp_path)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(IsegmError, match="JSON"):
        decathlon(tmp_path)


def test_evaluation_set(tmp_path: Path) -> None:
    extract(pair_in(tmp_path), SPLEEN, tmp_path / "out")
    dataset = evaluation_set("spleen", config(SPLEEN_PATH=tmp_path / "out"))
    assert dataset.name == "spleen"
    assert dataset.ids() == read_sidecars(tmp_path / "out")[0].ids
    sample = dataset[2]
    truth = np.flip(labels_of()[:, :, 6].T == 1)
    assert np.array_equal(sample.gt, truth)
    assert np.array_equal(
        sample.image[:, :, 0], np.flip(to_gray(60 * labels_of()[:, :, 6].T, -135, 215))
    )
    assert read_image(tmp_path / "out" / "images" / "case_0006.png").shape == (11, 9, 3)
    with pytest.raises(IsegmError, match="slices of spleen"):
        evaluation_set("liver", config(LIVER_PATH=tmp_path / "out"))


def test_folders_of_another_program_with_jpeg_masks(tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[16:40, 20:50] = 255
    write(tmp_path / "images" / "lung_00000.jpg", picture(64, 64))
    path = write(tmp_path / "masks" / "lung_00000.jpg", mask)
    assert len(np.unique(read_mask(path))) > 2  # JPEG rings at edges
    (sample,) = list(iter(evaluation_set("lung", config(LUNG_PATH=tmp_path))[i] for i in range(1)))
    assert np.array_equal(sample.gt, mask > 0)


def test_cases_from_slices(tmp_path: Path) -> None:
    sidecar = extract(pair_in(tmp_path), SPLEEN, tmp_path / "out")
    (case,) = cases(tmp_path / "out", tmp_path / "out" / "masks", "spleen", (1,))
    assert case.complete
    assert case.slices == sidecar.slices
    assert np.array_equal(case.gt, read_object(tmp_path / "labelsTr" / "case.nii.gz", (1,)).values)
    one = read_mask(tmp_path / "out" / "masks" / f"{sidecar.ids[1]}.png")
    write(
        tmp_path / "some" / sidecar.ids[1] / "mask.png", one
    )  # as evaluate_model.py --vis-preds writes it
    with pytest.raises(IsegmError, match="lacks 5 of 6 predicted masks"):
        list(cases(tmp_path / "out", tmp_path / "some", "spleen", (1,)))
    (case,) = cases(tmp_path / "out", tmp_path / "some", "spleen", (1,), skip_missing=True)
    assert case.slices == sidecar.slices[1:2]
    assert not case.complete
    assert np.array_equal(case.gt, case.pred)
    with pytest.raises(IsegmError, match="not of liver"):
        list(cases(tmp_path / "out", tmp_path / "some", "liver", (1,)))
    write(tmp_path / "some" / f"{sidecar.ids[0]}.png", one[1:])
    with pytest.raises(IsegmError, match="rows x columns"):
        list(cases(tmp_path / "out", tmp_path / "some", "spleen", (1,), skip_missing=True))


def test_cases_from_volumes(tmp_path: Path) -> None:
    label, pred = pair_in(tmp_path).label, tmp_path / "pred" / "case.nii.gz"
    save(pred, (labels_of() > 0).astype(np.uint8), affine_of("RAS"))
    (case,) = cases(label, pred, "spleen", (1, 2))
    assert case.slices == tuple(range(4, 10))
    assert np.array_equal(case.gt, case.pred)
    assert [c.name for c in cases(label.parent, pred.parent, "spleen", (1, 2))] == ["case"]
    with pytest.raises(IsegmError, match="mask of 0 and 1"):
        list(cases(label, label, "spleen", (1, 2)))
    with pytest.raises(IsegmError, match="two NIfTI files, or two folders"):
        list(cases(label, pred.parent, "spleen", (1,)))
    save(pred, (labels_of() > 0).astype(np.uint8), affine_of("LPS"))
    with pytest.raises(IsegmError, match="does not lie on the grid"):
        list(cases(label, pred, "spleen", (1, 2)))


@pytest.mark.data
@pytest.mark.skipif(
    not (DATA / "CT_sample").is_dir(), reason="ISEGM_DATA names no folder with CT_sample"
)
@pytest.mark.parametrize(("organ", "slices"), [("liver", 30), ("spleen", 30), ("lung", 11)])
def test_real_ct(tmp_path: Path, organ: str, slices: int) -> None:
    folder, labels = DATA / "CT_sample", ORGANS[organ].labels["totalsegmentator"]
    pair = single_pair(folder / "example_ct_sm.nii.gz", folder / "example_seg.nii.gz")
    sidecar = extract(
        pair, SliceSettings(organ, labels, parse_window(ORGANS[organ].window)), tmp_path
    )
    assert len(sidecar.slices) == slices
    write_mask(tmp_path / "back.nii.gz", assemble(sidecar, tmp_path / "masks"), sidecar.geometry)
    truth, back = nibabel.load(pair.label), nibabel.load(tmp_path / "back.nii.gz")
    assert np.array_equal(back.dataobj, np.isin(truth.dataobj, labels))
    assert np.array_equal(back.affine, truth.affine)


@pytest.mark.data
@pytest.mark.skipif(
    not (DATA / "MSD_Task04_Hippocampus").is_dir(),
    reason="ISEGM_DATA names no folder with the MRI volumes",
)
def test_real_mri(tmp_path: Path) -> None:
    pairs = decathlon(DATA / "MSD_Task04_Hippocampus")
    assert len(pairs) == 8
    for pair in pairs[:3]:
        sidecar = extract(pair, SliceSettings("hippocampus", (1, 2), None), tmp_path)
        write_mask(
            tmp_path / "back.nii.gz", assemble(sidecar, tmp_path / "masks"), sidecar.geometry
        )
        truth, back = nibabel.load(pair.label), nibabel.load(tmp_path / "back.nii.gz")
        assert np.array_equal(back.dataobj, np.asarray(truth.dataobj) > 0)
        assert np.allclose(back.affine, truth.affine)
