"""The interactive demo: a web page on this machine that answers clicks with a model.

    python scripts/demo.py --checkpoint model.safetensors                   then open http://127.0.0.1:8080
    python scripts/demo.py --checkpoint model.safetensors --images photos   offers the pictures of a folder as well
    python scripts/demo.py                                                  with a small model for painted scenes

Without a checkpoint the model of the quick start is used; if there is none yet, it is trained first, in about five minutes on a
CPU. Ctrl-C stops that and keeps what is done: the same command goes on from there. The server listens on this machine only. On
a remote one, forward the port: ssh -L 8080:127.0.0.1:8080 HOST.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.inference.protocol import load_protocol
from isegm.inference.settings import Answering
from isegm.methods.checkpoints import find_checkpoint
from isegm.originals.loading import load_model
from isegm.training.distributed import STOPPED
from isegm.utils.cli import formatter, run
from isegm.utils.config import REPOSITORY, absolute, load_config
from isegm.utils.device import pick_device

try:
    import uvicorn

    from isegm.demo.app import Served, create_app
    from isegm.demo.limits import Limits
    from isegm.demo.pictures import FolderPictures, PaintedPictures
except ImportError as error:
    if error.name and error.name.startswith("isegm"):
        raise
    raise SystemExit(f"error: the demo needs {error.name}; install it with: pip install -e '.[demo]'") from None

log = logging.getLogger("isegm")
EXPERIMENT = "models/ritm/tiny_synthetic.py"
QUICKSTART = REPOSITORY / "experiments/quickstart/model.safetensors"
OPEN_TO_ALL = ("0.0.0.0", "::")  # addresses that mean every interface


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0], formatter_class=formatter)
    parser.add_argument("--checkpoint", help="a file, or a name under WEIGHTS_PATH of config.yml")
    parser.add_argument("--protocol", help="a file in configs/eval (default: the method's own)")
    parser.add_argument("--dataset", help="use the protocol's settings for this data set")
    parser.add_argument("--images", type=Path, help="a folder whose pictures are offered (default: painted scenes)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on; another than loopback lets others in")
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--allow-host", action="append", default=[], help="another name that the server is called by; * for any"
    )
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpus", help="number of the GPU to use")
    device.add_argument("--cpu", action="store_true")
    defaults = Limits()
    parser.add_argument("--max-upload", type=int, default=defaults.upload_bytes >> 20, help="MiB of one request")
    parser.add_argument("--max-pixels", type=int, default=defaults.pixels, help="of one image")
    parser.add_argument("--max-sessions", type=int, default=defaults.sessions, help="open at once")
    parser.add_argument("--idle-minutes", type=float, default=defaults.idle_seconds / 60, help="until a session is closed")
    parser.add_argument("--parallel", type=int, default=defaults.parallel, help="answers computed at once")
    parser.add_argument("--config-path", help="another config.yml")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="of the training without a checkpoint, see train.py"
    )
    return parser.parse_args()


def small_model(cfg: EasyDict, args: argparse.Namespace) -> Path:
    """The model of the quick start, trained now if there is none; a training that was stopped goes on where it was.

    Raises:
        IsegmError: the training failed.
        KeyboardInterrupt: it was stopped, and has saved its state.
    """
    runs = absolute(cfg, cfg.EXPS_PATH) / "ritm" / Path(EXPERIMENT).stem
    if QUICKSTART.exists():
        return QUICKSTART
    if made := _finished(runs):
        return made
    log.info("no --checkpoint: training a small model on painted scenes first, about five minutes on a CPU")
    log.info("the page can be opened after that; Ctrl-C stops, and the same command goes on where it stopped")
    command = [EXPERIMENT, "--cpu", "--ngpus", str(min(2, os.cpu_count() or 1)), "--exp-name", "demo", "--resume", "auto"]
    command += [word for value in args.set for word in ("--set", value)]
    command += ["--config-path", str(Path(args.config_path).resolve())] if args.config_path else []
    if status := _patiently([sys.executable, "train.py", *command]):
        if status in (STOPPED, -signal.SIGINT):
            raise KeyboardInterrupt
        raise IsegmError(f"training ended with status {status}; what it printed says why. Or give a --checkpoint")
    if made := _finished(runs):
        return made
    raise IsegmError(f"training left no model.safetensors below {runs}; give a --checkpoint")


def _finished(runs: Path) -> Path | None:
    """The newest model that this script or the quick start trained to the end."""
    made = [path for name in ("demo", "quickstart") for path in runs.glob(f"[0-9]*_{name}/model.safetensors")]
    return max(made, key=lambda path: path.stat().st_mtime, default=None)


def _patiently(command: list[str]) -> int:
    """Run a command of this repository to its end and return its status. Ctrl-C goes to it, not to this process."""
    before = signal.signal(signal.SIGINT, lambda *_: None)  # the terminal tells both, and the training saves before it ends
    try:
        return subprocess.run(command, cwd=REPOSITORY, check=False).returncode
    finally:
        signal.signal(signal.SIGINT, before)


def check_address(host: str, port: int) -> None:
    """Notice an address that cannot be listened on before anything takes long.

    Raises:
        IsegmError: it is taken, or not of this machine.
    """
    if not 0 < port < 1 << 16:
        raise IsegmError(f"--port {port}: expected a number from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise IsegmError(f"cannot listen on {host} port {port}: {error}; choose another --port or --host") from None


def served(args: argparse.Namespace, cfg: EasyDict) -> Served:
    pictures = FolderPictures(args.images) if args.images else PaintedPictures()
    path = find_checkpoint(cfg, args.checkpoint) if args.checkpoint else small_model(cfg, args)
    loaded = load_model(path, pick_device(args.cpu, args.gpus))
    dataset = args.dataset or (None if args.checkpoint else "synthetic")
    name = args.protocol or loaded.model.protocol
    protocol = load_protocol(name)
    protocol = protocol.for_dataset(dataset) if dataset else protocol
    return Served(
        answering=Answering(loaded.model.requires_grad_(False), protocol),
        checkpoint={"name": Path(loaded.path).name, "sha256": loaded.sha256},
        protocol={"name": Path(name).stem, "dataset": dataset, "label": protocol.label},
        device=str(next(loaded.model.parameters()).device),
        pictures=pictures,
    )


def main() -> None:
    args = parse_args()
    limits = Limits(
        upload_bytes=args.max_upload << 20,
        pixels=args.max_pixels,
        sessions=args.max_sessions,
        idle_seconds=60 * args.idle_minutes,
        parallel=args.parallel,
    )
    check_address(args.host, args.port)
    hosts = (*args.allow_host, *(["*"] if args.host in OPEN_TO_ALL else [args.host]))
    app = create_app(served(args, load_config(args.config_path)), limits, hosts)
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        log.warning("listening on %s: whoever reaches this address can use the demo, and nothing is encrypted", args.host)
    shown = "127.0.0.1" if args.host in OPEN_TO_ALL else f"[{args.host}]" if ":" in args.host else args.host
    log.info("open http://%s:%d  (Ctrl-C ends it)", shown, args.port)
    uvicorn.run(app, host=args.host, port=args.port, log_level="warning", access_log=False, timeout_keep_alive=75)


if __name__ == "__main__":
    raise SystemExit(run(main))
