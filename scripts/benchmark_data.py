"""How much memory the annotations of COCO+LVIS take, by the number of processes and the way they
are held.

    python scripts/benchmark_data.py --workers 4

Writes annotations of the published size (99,000 images, 1.5 million objects; no pictures) into a
temporary folder. Every way of holding them is tried in a process of its own with --workers data
workers, each of which looks at every row. Memory is the proportional set size of all these
processes, in which a page that n of them share counts for 1/n in each, less what they take before
anything is opened. Linux only.
"""

from __future__ import annotations

import argparse
import json
import logging
import multiprocessing
import pickle
import subprocess
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # this clone's package first

from isegm.cli.running import Formatter, run
from isegm.core.errors import IsegmError
from isegm.data.pickles import read_pickle
from isegm.data.sources.coco_lvis import CocoLvis


class PythonObjects:
    """The published loader: the unpickled dictionary, and a list of the names."""

    def __init__(self, root: Path, cache: Path) -> None:
        self._annotations = read_pickle(root / "train" / "hannotation.pickle")
        self._names = list(self._annotations)

    def look(self) -> int:
        return sum(len(self._annotations[name]["hierarchy"]) for name in self._names)


class Tables:
    """Arrays in the memory of the process that parsed the annotations."""

    def __init__(self, root: Path, cache: Path) -> None:
        self._source = CocoLvis(root, "train", cache=None)

    def look(self) -> int:
        source = self._source
        return sum(len(source._parents[i]) + 0 * len(source._names[i]) for i in range(len(source)))


class KeptTables(Tables):
    """Arrays in files that all processes map."""

    def __init__(self, root: Path, cache: Path) -> None:
        self._source = CocoLvis(root, "train", cache=cache)


WAYS: dict[str, tuple[type, str]] = {
    "Python objects, fork": (PythonObjects, "fork"),
    "Python objects, spawn": (PythonObjects, "spawn"),
    "tables in memory, fork": (Tables, "fork"),
    "tables in memory, spawn": (Tables, "spawn"),
    "tables in files (the default), fork": (KeptTables, "fork"),
    "tables in files (the default), spawn": (KeptTables, "spawn"),
}


def write_annotations(root: Path, images: int, objects: int) -> None:
    """Trees of the depth and size that COCO+LVIS has on the average."""
    rng = np.random.default_rng(0)
    content = {}
    for image in range(images):
        count = int(rng.poisson(objects / images))
        parents = [
            None if key < 2 or rng.random() < 0.7 else int(rng.integers(key))
            for key in range(count)
        ]
        nodes: dict[int, Any] = {
            key: {"children": [], "parent": p, "node_level": 0} for key, p in enumerate(parents)
        }
        for key, parent in enumerate(parents):
            if parent is not None:
                nodes[parent]["children"].append(key)
        alone = [
            key for key, node in nodes.items() if node["parent"] is None and not node["children"]
        ]
        content[f"{image:012d}"] = {
            "num_instance_masks": count,
            "hierarchy": nodes | dict.fromkeys(alone),
        }
    for folder in ("images", "masks"):
        (root / "train" / folder).mkdir(parents=True)
    (root / "train" / "hannotation.pickle").write_bytes(
        pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    )


def memory() -> int:
    """The proportional set size of this process in bytes."""
    try:
        for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return 1024 * int(line.split()[1])
    except OSError:
        pass
    raise IsegmError(
        "this system does not tell the proportional set size of a process (/proc/self/smaps_rollup)"
    )


def look_and_report(held: Any, pipe: Connection) -> None:
    """A data worker: look at every row, then report memory when asked, when all workers have
    looked.
    """
    pipe.send(held.look() if held is not None else 0)
    pipe.recv()
    pipe.send(memory())
    pipe.recv()


def total_memory(held: Any, method: str, workers: int) -> int:
    """Of this process and ``workers`` that hold the same."""
    context = multiprocessing.get_context(method)
    pipes = [context.Pipe() for _ in range(workers)]
    started = [context.Process(target=look_and_report, args=(held, there)) for _, there in pipes]
    for process in started:
        process.start()
    for here, _ in pipes:
        here.recv()
    for here, _ in pipes:
        here.send("measure")
    total = memory() + sum(here.recv() for here, _ in pipes)
    for here, _ in pipes:
        here.send("leave")
    for process in started:
        process.join()
    return total


def measure(way: str, root: Path, cache: Path, workers: int) -> dict[str, float]:
    make, method = WAYS[way]
    before = [total_memory(None, method, count) for count in (0, workers)]
    started = time.perf_counter()
    held = make(root, cache)
    opened = time.perf_counter() - started
    held.look()
    after = [total_memory(held, method, count) for count in (0, workers)]
    alone, with_workers = (1e-6 * (b - a) for a, b in zip(before, after, strict=True))
    return {"seconds": opened, "alone": alone, "with_workers": with_workers}


def in_a_process(arguments: list[str]) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise IsegmError(
            f"{' '.join(arguments)} failed: {done.stderr.strip() or done.stdout.strip()}"
        )
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=Formatter)
    parser.add_argument("--workers", type=int, default=4, help="data workers")
    parser.add_argument("--images", type=int, default=99_000)
    parser.add_argument("--objects", type=int, default=1_500_000)
    parser.add_argument("--only", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.only:
        logging.getLogger("isegm").setLevel(logging.ERROR)
        print(json.dumps(measure(args.only, args.root, args.root / "cache", args.workers)))
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_annotations(root, args.images, args.objects)
        CocoLvis(root, "train", cache=root / "cache")  # as an earlier run has left it
        print(f"{args.images} images, {args.objects} objects; MB of all processes together\n")
        print(f"| annotations | to open | one process | with {args.workers} workers |")
        print("|---|---:|---:|---:|")
        for way in WAYS:
            found = in_a_process(["--only", way, "--root", folder, "--workers", str(args.workers)])
            print(
                f"| {way} | {found['seconds']:.1f} s | {found['alone']:.0f} |"
                f" {found['with_workers']:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    raise SystemExit(run(main))
