"""Load test of the demo on loopback: latency, what the server adds to the network's own time,
cross-talk, memory.

    python scripts/benchmark_demo.py --checkpoint model.safetensors --users 8 --clicks 6 --cpu

Starts a server of its own. Every user has an image and a session of their own; the masks that all
get while they click at once must be those that each got alone.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError
from isegm.data.sources.synthetic import scene
from isegm.utils.config import REPOSITORY

SIZE = (1000, 1500)  # of the image that overhead is measured on
IDLE_SECONDS = 20.0
STARTUP_SECONDS = 300.0


@dataclass(frozen=True)
class Answer:
    """One click: the mask as it came, milliseconds there and back, and of these of the network and
    of waiting for it.
    """

    mask: str
    latency: float
    model: float
    wait: float


class User:
    """One connection, one session."""

    def __init__(self, port: int, image: bytes) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        boundary = "isegm-benchmark"
        part = 'content-disposition: form-data; name="image"; filename="image.png"'
        head = f"--{boundary}\r\n{part}\r\n\r\n".encode()
        body = head + image + f"\r\n--{boundary}--\r\n".encode()
        self.key = self._request("POST", "", body, f"multipart/form-data; boundary={boundary}")[
            "id"
        ]

    def click(self, y: int, x: int, positive: bool) -> Answer:
        body = json.dumps({"y": y, "x": x, "positive": positive}).encode()
        begun = time.perf_counter()
        told = self._request("POST", f"/{self.key}/clicks", body)
        spent = 1000 * (time.perf_counter() - begun)
        return Answer(
            told["current"]["mask"], spent, told["timing"]["model"], told["timing"]["wait"]
        )

    def close(self) -> None:
        self._request("DELETE", f"/{self.key}")
        self._connection.close()

    def _request(
        self, method: str, path: str, body: bytes | None = None, kind: str = "application/json"
    ) -> dict[str, Any]:
        self._connection.request(method, f"/api/sessions{path}", body, {"content-type": kind})
        response = self._connection.getresponse()
        told = json.loads(response.read())
        if response.status != 200:
            raise IsegmError(
                f"the server answered {method} {path} with {response.status}: {told.get('error')}"
            )
        return told


@contextmanager
def server(args: argparse.Namespace) -> Iterator[tuple[int, int]]:
    """A demo server; yields its port and its process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        sys.executable,
        "scripts/demo.py",
        "--checkpoint",
        str(Path(args.checkpoint).absolute()),
        "--port",
        str(port),
    ]
    command += ["--idle-minutes", str(IDLE_SECONDS / 60), "--max-sessions", str(args.users + 2)]
    command += ["--cpu"] if args.cpu else []
    process = subprocess.Popen(command, cwd=REPOSITORY)
    try:
        _wait_for(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + STARTUP_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    raise IsegmError("the demo server did not start; what it printed says why")


def picture(seed: int, height: int, width: int) -> bytes:
    """A painted scene, PNG."""
    image, _ = scene(np.random.default_rng(seed), height // 4, width // 4)
    large = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode(".png", large[:, :, ::-1])[1].tobytes()


def places(seed: int, count: int, height: int, width: int) -> list[tuple[int, int, bool]]:
    rng = np.random.default_rng(seed)
    drawn = [
        (int(rng.integers(height)), int(rng.integers(width)), bool(rng.random() < 0.7))
        for _ in range(count)
    ]
    return [(height // 2, width // 2, True), *drawn[1:]]


def play(
    port: int,
    image: bytes,
    clicks: list[tuple[int, int, bool]],
    ready: threading.Barrier | None = None,
) -> list[Answer]:
    """A session from opening on; it is closed at the end, or left to expire where several play at
    once.
    """
    user = User(port, image)
    if ready is not None:
        ready.wait()
    answers = [user.click(*click) for click in clicks]
    if ready is None:
        user.close()
    return answers


def resident_mib(pid: int) -> float:
    """Memory of a process; not a number where there is no /proc."""
    try:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return float("nan")
    return int(found[1]) / 1024 if found else float("nan")


def measured(args: argparse.Namespace, port: int, pid: int) -> dict[str, Any]:
    large = picture(0, *SIZE)
    play(port, large, places(0, 3, *SIZE))  # the first passes are slower
    idle = resident_mib(pid)
    single = play(port, large, places(1, args.clicks, *SIZE))

    height, width = args.size
    ports, images = [port] * args.users, [picture(10 + i, height, width) for i in range(args.users)]
    clicks = [places(100 + i, args.clicks, height, width) for i in range(args.users)]
    alone = list(map(play, ports, images, clicks))
    ready = threading.Barrier(args.users)
    with ThreadPoolExecutor(args.users) as pool:
        begun = time.perf_counter()
        together = list(pool.map(play, ports, images, clicks, [ready] * args.users))
        wall = time.perf_counter() - begun
    loaded = resident_mib(pid)
    foreign = sum(
        a.mask != b.mask
        for x, y in zip(alone, together, strict=True)
        for a, b in zip(x, y, strict=True)
    )
    time.sleep(2.5 * IDLE_SECONDS)
    crowd = [answer for answers in together for answer in answers]
    return {
        "overhead": percentiles([a.latency - a.model - a.wait for a in single]),
        "network": percentiles([a.model for a in single]),
        "alone": percentiles([a.latency for answers in alone for a in answers]),
        "together": percentiles([a.latency for a in crowd]),
        "together_overhead": percentiles([a.latency - a.model - a.wait for a in crowd]),
        "clicks_per_second": len(crowd) / wall,
        "foreign_masks": foreign,
        "memory": {"idle": idle, "loaded": loaded, "expired": resident_mib(pid)},
    }


def percentiles(milliseconds: list[float]) -> dict[str, float]:
    p50, p95 = np.percentile(milliseconds, [50, 95])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--clicks", type=int, default=6, help="of every user")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=[400, 600],
        metavar=("ROWS", "COLUMNS"),
        help="of users' images",
    )
    parser.add_argument("--cpu", action="store_true")
    parser.add_argument("--save-json", type=Path)
    args = parser.parse_args()
    with server(args) as (port, pid):
        found = measured(args, port, pid)
    rows, columns = SIZE
    print(f"\n{'milliseconds':44}   p50     p95")
    for name, text in (
        ("network", f"network, one user, {columns} x {rows}"),
        ("overhead", "all else of it (there, mask, and back)"),
        ("alone", f"click to mask, one user, {args.size[1]} x {args.size[0]}"),
        ("together", f"click to mask, {args.users} users at once"),
        ("together_overhead", "all else but network and waiting for it"),
    ):
        print(f"{text:44} {found[name]['p50']:6.1f}  {found[name]['p95']:6.1f}")
    print(
        f"{found['clicks_per_second']:.1f} clicks a second with {args.users} users; masks that were"
        " not one's own:",
        end=" ",
    )
    print(found["foreign_masks"])
    memory = found["memory"]
    print(
        f"memory: {memory['idle']:.0f} MiB at first, {memory['loaded']:.0f} with sessions,"
        f" {memory['expired']:.0f} expired"
    )
    if args.save_json:
        args.save_json.write_text(json.dumps(found, indent=1))
    if found["foreign_masks"]:
        raise IsegmError(f"{found['foreign_masks']} masks differ from those of a user alone")


if __name__ == "__main__":
    raise SystemExit(run(main))
