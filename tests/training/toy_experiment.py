"""An experiment on toy discs, for the tests of train.py.

TOY_EXPERIMENTS says where it writes (toy_config.yml), TOY_FAIL which process fails, TOY_DIE when
one is killed, once, TOY_STOP which one is sent SIGTERM in a validation, once. TOY_HOST_DIES is the
epoch in which a process is killed with its launcher, TOY_HOLD that in which a process that is alone
waits for a signal.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

import toy as beside  # a neighbour: a run keeps a copy of it, too

described = importlib.util.spec_from_file_location("isegm.methods.toy", beside.__file__)
toy = sys.modules.setdefault("isegm.methods.toy", importlib.util.module_from_spec(described))
described.loader.exec_module(toy)

from isegm.core.errors import IsegmError  # noqa: E402
from isegm.core.registry import spec  # noqa: E402
from isegm.training.experiment import Experiment, Training  # noqa: E402
from isegm.training.optimisation import Adam  # noqa: E402
from isegm.training.users.iterative import Iterative  # noqa: E402


def hold(folder):
    """Wait for any signal, and say when that has begun."""
    told, tells = os.pipe()
    os.set_blocking(tells, False)
    before = signal.set_wakeup_fd(tells)
    (folder / "holding.txt").touch()
    os.read(told, 1)
    signal.set_wakeup_fd(before)


class Noted(toy.Discs):
    """Discs that write down which process asked for which; as images they come in an order that
    turns from epoch to epoch.
    """

    def index_of(self, epoch, position):
        return (position + 5 * epoch) % len(self)

    def __getitem__(self, key):
        folder = Path(os.environ["TOY_EXPERIMENTS"])
        with open(folder / f"asked_{os.environ.get('RANK', '0')}.txt", "a") as file:
            file.write(f"{key[0]} {key[1]}\n")
        if os.environ.get("TOY_HOST_DIES") == str(key[0]):
            for victim in (os.getppid(), os.getpid()):
                os.kill(victim, signal.SIGKILL)
        if os.environ.get("TOY_HOLD") == str(key[0]) and os.environ["WORLD_SIZE"] == "1":
            hold(folder)
        died = folder / "died.txt"
        if (
            os.environ.get("TOY_DIE") == f"{os.environ.get('RANK', '0')} {key[0]} {key[1]}"
            and not died.exists()
        ):
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if os.environ.get("TOY_FAIL", "none") == os.environ.get("RANK") and key[0] == 2:
            raise IsegmError("disc 0 of epoch 2 is broken")
        return super().__getitem__(key)


class Stopping(toy.Discs):
    """Held-out discs; reading the first one on the process TOY_STOP is stopped."""

    def __getitem__(self, key):
        stopped = Path(os.environ["TOY_EXPERIMENTS"]) / "stopped.txt"
        if os.environ.get("TOY_STOP", "none") == os.environ.get("RANK") and not stopped.exists():
            stopped.touch()
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(key)


EXPERIMENT = Experiment(
    model=spec(toy.Toy),
    data=spec(Noted, length=16),
    val=spec(Stopping, length=9, seed=1),
    user=spec(Iterative),
    train=Training(epochs=2, batch_size=4, optimizer=spec(Adam, lr=1e-2), workers=0, log_every=2),
)
