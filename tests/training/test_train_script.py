"""train.py as a user calls it: one process, many, torchrun, signals, mistakes."""

import json
import os
import shutil
import signal
import subprocess

import pytest
import torch
from launching import (
    CONFIG,
    ROOT,
    SCRIPT,
    asked,
    assert_close,
    command,
    curve,
    environment,
    result,
    train,
    wait_for,
)

from isegm.cli import train as cli_train
from isegm.cli.commands import parser_of, run_command
from isegm.core.errors import IsegmError
from isegm.training.batches import GlobalBatches, held_out
from isegm.training.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    folder = tmp_path_factory.mktemp("single")
    train(folder, SCRIPT, "--cpu")
    return folder


def test_two_processes_equal_one_at_the_same_global_batch(single, tmp_path):
    said = train(tmp_path, SCRIPT, "--cpu", "--ngpus", 2, "--workers", 1)
    assert said.count("run folder") == 1
    assert "2 process(es) on cpu" in said
    (expected, one), (found, two) = result(single), result(tmp_path)
    assert_close(expected, found)
    for a, b in zip(one, two, strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    # Each process loads its own half of every batch, together exactly what one process loads.
    halves = [asked(tmp_path, rank) for rank in (0, 1)]
    assert sorted(halves[0] + halves[1]) == sorted(asked(single, 0))
    assert not set(halves[0]) & set(halves[1])
    assert len(found["random"]) == 2
    assert not torch.equal(found["random"][0]["cpu"], found["random"][1]["cpu"])


def test_torchrun_joins_and_one_process_goes_on(single, tmp_path):
    train(tmp_path, SCRIPT, "--cpu", "--set", "train.max_steps=6", torchrun=2)
    assert result(tmp_path)[0]["progress"] == {"epoch": 1, "batch": 2, "step": 6}
    train(tmp_path, SCRIPT, "--cpu", "--resume", "auto")
    assert result(tmp_path)[0]["progress"] == {"epoch": 2, "batch": 0, "step": 8}
    assert_close(result(single)[0], result(tmp_path)[0])


@pytest.mark.parametrize(("number", "processes"), [(signal.SIGINT, 1), (signal.SIGTERM, 2)])
def test_a_signal_saves_and_the_message_says_how_to_go_on(tmp_path, number, processes):
    words = [
        SCRIPT,
        "--cpu",
        "--epochs",
        10_000,
        "--workers",
        1,
        *(["--ngpus", processes] if processes > 1 else []),
    ]
    running = subprocess.Popen(
        command(*words),
        env=environment(tmp_path),
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    checkpoint = (
        tmp_path / "training" / "toy_experiment" / "000" / "checkpoints" / "last_checkpoint.pth"
    )
    try:
        wait_for(checkpoint, running)
        before = read_checkpoint(checkpoint)["progress"]["step"]
        os.killpg(
            running.pid, number
        )  # as a terminal or a batch system does: every process of the group
        said = running.communicate(timeout=600)[1]
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 130, said
    assert f"--resume {checkpoint.parents[1]}" in said
    assert "Traceback" not in said
    assert read_checkpoint(checkpoint)["progress"]["step"] >= before


def test_when_one_process_fails_all_end(tmp_path):
    words = [SCRIPT, "--cpu", "--epochs", 10_000, "--workers", 1, "--ngpus", 2]
    said = train(tmp_path, *words, status=2, TOY_FAIL="1")
    assert "error: disc 0 of epoch 2 is broken" in said


def test_a_mistake_gets_one_readable_line(tmp_path):
    said = train(tmp_path, SCRIPT, "--cpu", "--set", "train.batchsize=1", status=2)
    assert (
        said
        == "error: unknown setting of train 'batchsize'; did you mean batch_size or micro_batch?\n"
    )


@pytest.fixture(autouse=True)
def experiments(monkeypatch, tmp_path):
    monkeypatch.setenv("TOY_EXPERIMENTS", str(tmp_path))


def called(*words):
    """The command in this process, so that a mistake costs no new one."""
    cli_train.train(parser_of("train").parse_args([*map(str, words)]))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([SCRIPT, "--set", "trian.clip=1"], "did you mean train"),
        ([SCRIPT, "--set", "train.lr=1"], "did you mean train.optimizer.lr"),
        ([SCRIPT, "--set", "train.epochs=soon"], "expected int"),
        (["models/nowhere.py"], "there is no experiment models/nowhere.py"),
        ([SCRIPT, "--config-path", "nowhere.yml"], "there is no configuration file nowhere.yml"),
        ([SCRIPT, "--resume", "017"], "unknown run"),
        ([SCRIPT, "--weights", "nowhere.pth"], "nowhere.pth"),
        ([SCRIPT, "--batch-size", "32"], "an epoch has 16 samples"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_say_what_to_do(words, message):
    with pytest.raises(IsegmError, match=message):
        called("--config-path", CONFIG, *words, "--cpu")


def test_gpus_that_are_no_numbers_are_refused(capsys):
    with pytest.raises(SystemExit):
        called("models/x.py", "--gpus", "a,b")
    assert "expected numbers like 0,1" in capsys.readouterr().err


def test_numbers_of_gpus_that_disagree_are_refused():
    with pytest.raises(IsegmError, match="disagree"):
        called("models/x.py", "--gpus", "0,1", "--ngpus", "3")


@pytest.mark.skipif(torch.cuda.device_count() > 7, reason="this machine has the GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(IsegmError, match="--gpus names GPU 7"):
        called(SCRIPT, "--gpus", "7", "--config-path", CONFIG)


def test_short_flags_are_overrides(monkeypatch):
    seen = []
    monkeypatch.setattr(cli_train.Trainer, "fit", lambda trainer: seen.append(trainer))
    words = f"{SCRIPT} --batch-size 8 --lr 0.1 --seed 3 --set train.clip=1 --set data.length=12"
    words += " --local_rank 1"
    words += f" --resume-exp 004 --resume-prefix 010 --ngpus 2 --config-path {CONFIG}"
    called(*words.split())
    experiment, options = seen[0].experiment, seen[0].options
    assert (experiment.train.batch_size, experiment.train.seed, experiment.train.clip) == (8, 3, 1)
    assert experiment.train.optimizer["args"]["lr"] == 0.1
    assert experiment.data["args"] == {"length": 12, "seed": 3}
    assert experiment.val["args"] == {"length": 9, "seed": 4}
    assert (options.resume, options.resume_prefix, options.gpus) == ("004", "010", (0, 1))


def first_losses(folder, run, count=20):
    losses = curve(folder, run)
    return [losses[step] for step in sorted(losses)][:count]


def test_a_run_trains_again_from_its_experiment(tmp_path):
    """The run folder holds all it takes: whatever flags were given, and the file that defines the
    data.
    """
    words = [
        "--cpu",
        "--set",
        "train.log_every=1",
        "--set",
        "user.max_rounds=2",
        "--seed",
        5,
        "--epochs",
        5,
    ]
    train(tmp_path, SCRIPT, *words)
    run = tmp_path / "training" / "toy_experiment" / "000"
    train(tmp_path, run / "experiment.json", "--cpu")
    first, again = first_losses(tmp_path, "000"), first_losses(tmp_path, "001")
    assert len(first) == 20
    assert first == again
    expected, found = result(tmp_path, "000")[0], result(tmp_path, "001")[0]
    assert found["experiment"] == expected["experiment"]
    assert all(
        torch.equal(found["model"][name], value) for name, value in expected["model"].items()
    )


def test_an_own_file_that_was_changed_is_another_experiment(tmp_path):
    script = tmp_path / "mine" / "discs.py"
    script.parent.mkdir()
    script.write_text(SCRIPT.read_text())
    shutil.copy2(SCRIPT.with_name("toy.py"), script.parent)
    train(tmp_path, script, "--cpu", "--epochs", 1)
    run = tmp_path / "mine" / "discs" / "000"
    script.write_text(script.read_text() + "# now it is another one\n")
    said = train(tmp_path, script, "--cpu", "--resume", "auto", status=2)
    assert "file.hashes.discs.py" in said
    copied = run / "discs.py"
    copied.write_text(copied.read_text() + "\n")
    assert "discs.py was changed since" in train(
        tmp_path, run / "experiment.json", "--cpu", status=2
    )


def test_show_and_diff(capsys, tmp_path):
    assert (
        run_command("train", [str(SCRIPT), "--show", "--set", "train.clip=1", "--lr", "0.5"]) == 0
    )
    shown = json.loads(capsys.readouterr().out)
    assert shown["name"] == "training/toy_experiment"
    assert (
        shown["experiment"]["train"]["clip"],
        shown["experiment"]["train"]["optimizer"]["args"]["lr"],
    ) == (1, 0.5)
    for file in (SCRIPT, SCRIPT.with_name("toy.py")):
        shutil.copy2(file, tmp_path)
    (tmp_path / "experiment.json").write_text(json.dumps(shown))
    assert run_command("train", ["--diff", str(SCRIPT), str(tmp_path / "experiment.json")]) == 0
    assert capsys.readouterr().out == "train.optimizer.lr: 0.01 -> 0.5\ntrain.clip: null -> 1\n"


def test_a_batch_must_be_shared_out_equally():
    with pytest.raises(IsegmError, match="a batch of 3 cannot be split equally over 2 processes"):
        GlobalBatches(16, 3, 0, 2)


def test_global_batches_do_not_depend_on_the_number_of_processes():
    whole = list(GlobalBatches(19, 6))
    assert [len(batch) for batch in whole] == [6, 6, 6]
    for count in (2, 3, 6):
        parts = [list(GlobalBatches(19, 6, rank, count)) for rank in range(count)]
        joined = [[key for part in batch for key in part] for batch in zip(*parts, strict=True)]
        assert joined == whole


def test_batches_start_anywhere():
    batches = GlobalBatches(20, 4)
    batches.epoch, batches.start = 3, 2
    assert list(batches) == [[(3, p) for p in range(start, start + 4)] for start in (8, 12, 16)]
    assert len(batches) == 3


def test_validation_leaves_nothing_out():
    for count in (1, 2, 5):
        keys = [
            key for rank in range(count) for batch in held_out(11, 4, rank, count) for key in batch
        ]
        assert sorted(keys) == [(0, position) for position in range(11)]
