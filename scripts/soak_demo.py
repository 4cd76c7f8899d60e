"""Soak test of the demo: many users for minutes; latency and memory over time, sessions that got
lost.

    python scripts/soak_demo.py --users 8 --minutes 20 --cpu --save-json soak.json --plot soak.png

Starts a server of its own. Users open images, click, undo, redo, finish objects, export, and hang
up in the middle of requests. A session is lost if the server no longer knows it before its user has
closed it; an answer is wrong if clicks are missing or undo does not give back the mask of before.
The status is 1 if either happens, or if the server fails on a request.
"""

from __future__ import annotations

import argparse
import http.client
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from benchmark_demo import picture, resident_mib

from isegm.cli.running import Formatter, run, say
from isegm.core.errors import IsegmError
from isegm.evaluation.report import save_figure
from isegm.evaluation.results import environment
from isegm.methods.checkpoints import STARTER
from isegm.utils.config import REPOSITORY
from isegm.utils.files import replacing

SIZES = ((240, 320), (480, 640), (600, 900))
ACTIONS = {"click": 60, "undo": 10, "redo": 5, "reset": 2, "finish": 5, "export": 10, "abort": 8}
EXPORTS = ("mask.png", "export/indexed.png", "export/masks.zip", "export/coco.json")
EXPORTS += ("export/session.json", "image")
STALE, CROWDED, BUSY = 404, 429, 503
BUCKETS = 40  # of the curves over time
STARTUP_SECONDS, SAMPLE_SECONDS, TIMEOUT_SECONDS = 300.0, 1.0, 300.0


@dataclass
class Log:
    """What all users have seen.

    Attributes:
        requests: seconds since the start, kind, milliseconds.
        memory: seconds since the start, MiB of the server.
        lost, wrong, failed: what must not happen, in words.
    """

    begun: float = field(default_factory=time.perf_counter)
    requests: list[tuple[float, str, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    @property
    def now(self) -> float:
        return time.perf_counter() - self.begun


class Refused(Exception):
    """The server had no room or no time; a user tries again later."""


class User:
    """One user after another on one thread: each opens an image, works on it, and leaves.

    Args:
        seed: of what they do.
        deadline: seconds since the start after which nobody comes any more.
    """

    def __init__(self, port: int, seed: int, log: Log, deadline: float, pause: float) -> None:
        self.port, self.log, self.deadline, self.pause = port, log, deadline, pause
        self.rng = random.Random(seed)
        self.images = [(size, picture(seed + i, *size)) for i, size in enumerate(SIZES)]
        self.connection = self._connected()

    def work(self) -> None:
        while self.log.now < self.deadline:
            try:
                self._visit()
            except Refused:
                time.sleep(1)
            except (OSError, http.client.HTTPException) as error:
                self.log.failed.append(f"{type(error).__name__}: {error}")
                self.connection = self._connected()
                time.sleep(1)

    def _visit(self) -> None:
        """One session from opening to closing."""
        self.size, image = self.rng.choice(self.images)
        boundary = "isegm-soak"
        part = 'content-disposition: form-data; name="image"; filename="image.png"'
        head = f"--{boundary}\r\n{part}\r\n\r\n".encode()
        body = head + image + f"\r\n--{boundary}--\r\n".encode()
        kind = f"multipart/form-data; boundary={boundary}"
        opened = self._ask("open", "POST", "", body, kind)
        self.key, self.state = opened["id"], opened
        names, weights = zip(*ACTIONS.items(), strict=True)
        for _ in range(self.rng.randint(5, 30)):
            if self.log.now > self.deadline:
                break
            getattr(self, f"_{self.rng.choices(names, weights)[0]}")()
            time.sleep(self.rng.expovariate(1 / self.pause) if self.pause else 0)
        self._ask("close", "DELETE", f"/{self.key}")

    def _click(self) -> None:
        before = self.state["current"]
        self._act("clicks", **self._place())
        made, known = len(self.state["current"]["clicks"]), len(before["clicks"])
        self._expect(made == known + 1, f"{made} clicks after one more than {known}")
        if self.rng.random() < 0.1:
            self._act("undo")
            self._expect(self.state["current"]["mask"] == before["mask"], "undo gave another mask")

    def _undo(self) -> None:
        if self.state["current"]["clicks"]:
            self._act("undo")

    def _redo(self) -> None:
        if self.state["current"]["redo"]:
            self._act("redo")

    def _reset(self) -> None:
        self._act("reset")

    def _finish(self) -> None:
        if self.state["current"]["area"]:
            self._act("finish")

    def _export(self) -> None:
        name = self.rng.choice(EXPORTS)
        if name.startswith("export") and not (
            self.state["objects"] or self.state["current"]["area"]
        ):
            return
        self._ask("export", "GET", f"/{self.key}/{name}", parsed=False)

    def _abort(self) -> None:
        """Hang up after a part of a request, or before its answer; then see how things stand."""
        body = json.dumps(self._place()).encode()
        head = f"POST /api/sessions/{self.key}/clicks HTTP/1.1\r\nhost: 127.0.0.1\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        whole = head.encode() + body
        sent = whole if self.rng.random() < 0.5 else whole[: self.rng.randrange(1, len(whole))]
        with socket.create_connection(("127.0.0.1", self.port), TIMEOUT_SECONDS) as line:
            line.sendall(sent)
            time.sleep(self.rng.random() * 0.2)
        self.state = self._ask("state", "GET", f"/{self.key}")
        # The click may still be waiting for the network: two looks must agree before work goes on.
        while True:
            time.sleep(0.5)
            again = self._ask("state", "GET", f"/{self.key}")
            same = again["current"]["clicks"] == self.state["current"]["clicks"]
            self.state = again
            if same:
                return

    def _act(self, action: str, **body: Any) -> None:
        data = json.dumps(body).encode() if body else None
        kind = "click" if action == "clicks" else action
        self.state = self._ask(kind, "POST", f"/{self.key}/{action}", data)

    def _place(self) -> dict[str, Any]:
        y, x = (self.rng.uniform(0, side - 1) for side in self.size)
        return {"y": y, "x": x, "positive": self.rng.random() < 0.7}

    def _expect(self, holds: bool, message: str) -> None:
        if not holds:
            self.log.wrong.append(message)

    def _ask(
        self,
        what: str,
        method: str,
        path: str,
        body: bytes | None = None,
        kind: str = "application/json",
        parsed: bool = True,
    ) -> Any:
        """One request; its time is recorded if it succeeds."""
        begun = time.perf_counter()
        self.connection.request(method, f"/api/sessions{path}", body, {"content-type": kind})
        response = self.connection.getresponse()
        data = response.read()
        spent = 1000 * (time.perf_counter() - begun)
        if response.status == 200:
            self.log.requests.append((self.log.now, what, spent))
            return json.loads(data) if parsed else data
        said = f"{method} {path.partition('/')[2] or 'open'}: {response.status} {data[:200]!r}"
        if response.status == STALE:
            self.log.lost.append(said)
        elif response.status in (CROWDED, BUSY):
            self.log.refused[response.status] += 1
        else:
            self.log.failed.append(said)
        raise Refused(said)

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT_SECONDS)


@contextmanager
def server(args: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """A demo server; yields its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--checkpoint", args.checkpoint, "--port", str(port)]
    words += ["--max-sessions", str(4 * args.users)] + (["--cpu"] if args.cpu else [])
    process = subprocess.Popen([sys.executable, "scripts/demo.py", *words], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + STARTUP_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.2)
        else:
            raise IsegmError("the demo server did not start; what it printed says why")
        yield port, process.pid
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()


def soak(args: argparse.Namespace) -> Log:
    """Let everybody work, and watch the server's memory meanwhile."""
    with server(args) as (port, pid):
        log, seconds = Log(), 60 * args.minutes
        users = [User(port, 100 * i, log, seconds, args.pause) for i in range(args.users)]
        log.begun = time.perf_counter()
        threads = [threading.Thread(target=user.work, daemon=True) for user in users]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            log.memory.append((log.now, resident_mib(pid)))
            time.sleep(SAMPLE_SECONDS)
    return log


def percentiles(spent: Sequence[float]) -> dict[str, float]:
    values = np.percentile(spent, (50, 95)) if len(spent) else (float("nan"),) * 2
    return {"count": len(spent), "p50 ms": float(values[0]), "p95 ms": float(values[1])}


def over_time(log: Log, kind: str, seconds: float) -> list[dict[str, float]]:
    """Percentiles of one kind of request in equal spans of time; spans without one are left out."""
    width = seconds / BUCKETS
    spans = []
    for i in range(BUCKETS):
        spent = [ms for at, what, ms in log.requests if what == kind and i <= at / width < i + 1]
        if spent:
            spans.append({"minute": (i + 0.5) * width / 60, **percentiles(spent)})
    return spans


def summary(args: argparse.Namespace, log: Log) -> dict[str, Any]:
    kinds = sorted({what for _, what, _ in log.requests})
    memory = [mib for _, mib in log.memory]
    half = memory[len(memory) // 2 :]
    return {
        "schema": 1,
        "users": args.users,
        "minutes": args.minutes,
        "pause seconds": args.pause,
        "environment": environment(),
        "requests": {k: percentiles([ms for _, w, ms in log.requests if w == k]) for k in kinds},
        "clicks over time": over_time(log, "click", 60 * args.minutes),
        "memory MiB": {
            "first": memory[0],
            "largest": max(memory),
            "last": memory[-1],
            "mean of second half": float(np.mean(half)),
            "over time": [[round(at, 1), round(mib, 1)] for at, mib in log.memory],
        },
        "refused": {str(status): count for status, count in log.refused.items()},
        "lost sessions": len(log.lost),
        "wrong answers": len(log.wrong),
        "failed requests": len(log.failed),
        "examples": {"lost": log.lost[:5], "wrong": log.wrong[:5], "failed": log.failed[:5]},
    }


def draw(result: dict[str, Any], path: Path) -> None:
    """Latency of clicks and memory of the server against time."""
    figure = Figure(figsize=(9.2, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    spans = result["clicks over time"]
    for name in ("p95 ms", "p50 ms"):
        left.plot([s["minute"] for s in spans], [s[name] for s in spans], label=name[:3])
    left.set(xlabel="minute", ylabel="milliseconds per click", ylim=(0, None))
    left.legend(fontsize="small")
    at, mib = zip(*result["memory MiB"]["over time"], strict=True)
    right.plot([second / 60 for second in at], mib)
    right.set(xlabel="minute", ylabel="memory of the server (MiB)", ylim=(0, None))
    for axis in (left, right):
        axis.grid(alpha=0.3)
    lost = result["lost sessions"]
    figure.suptitle(f"{result['users']} users, {lost} lost sessions", fontsize="medium")
    save_figure(figure, str(path))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=Formatter)
    add = parser.add_argument
    add("--checkpoint", default=STARTER, help="what the demo serves")
    add("--users", type=int, default=8, help="at once")
    add("--minutes", type=float, default=20.0, help="until nobody opens another image")
    add("--pause", type=float, default=0.5, help="mean seconds between the actions of a user")
    add("--cpu", action="store_true", help="use no GPU")
    add("--save-json", type=Path, help="write the figures here")
    add("--plot", type=Path, help="write the picture here (.png, .svg or .pdf)")
    args = parser.parse_args()
    if args.users < 1 or not args.minutes > 0 or args.pause < 0:
        raise IsegmError("--users, --minutes and --pause must be positive (--pause may be 0)")
    result = summary(args, soak(args))
    for kind, row in result["requests"].items():
        say(f"{kind:8}{row['count']:7}  p50 {row['p50 ms']:7.0f} ms  p95 {row['p95 ms']:7.0f} ms")
    memory = result["memory MiB"]
    say(
        f"memory: {memory['first']:.0f} MiB at first, {memory['largest']:.0f} at most,"
        f" {memory['last']:.0f} at the end"
    )
    bad = ("lost sessions", "wrong answers", "failed requests")
    say(", ".join(f"{result[name]} {name}" for name in bad))
    for examples in result["examples"].values():
        for text in examples:
            say(f"  {text}")
    if args.save_json:
        with replacing(args.save_json) as partial:
            partial.write_text(json.dumps(result, indent=1) + "\n")
    if args.plot:
        draw(result, args.plot)
    return int(any(result[name] for name in bad))


if __name__ == "__main__":
    raise SystemExit(run(main))
