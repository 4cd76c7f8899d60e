"""Click on objects in a web page on this machine: the interactive demo.

    isegm demo                                  # then open http://127.0.0.1:8080
    isegm demo --images photos                  # offers a folder's images as well
    isegm demo --checkpoint model.safetensors   # another network than the starter

Without --checkpoint the starter answers, the network that comes with the package. The server
listens on this machine only. On a remote one, forward the port: ssh -L 8080:127.0.0.1:8080 HOST.
"""

from __future__ import annotations

import argparse
import logging
import socket
from pathlib import Path

from easydict import EasyDict

from isegm.cli import flags
from isegm.core.errors import IsegmError
from isegm.inference.protocol import load_protocol
from isegm.inference.settings import Answering
from isegm.methods.checkpoints import STARTER, find_checkpoint
from isegm.originals.loading import load_model
from isegm.utils.config import load_config
from isegm.utils.device import pick_device

try:
    import uvicorn

    from isegm.demo.app import Served, create_app
    from isegm.demo.connections import limited
    from isegm.demo.limits import Limits
    from isegm.demo.pictures import FolderPictures, PaintedPictures
except ImportError as error:
    if error.name and error.name.startswith("isegm"):
        raise
    raise IsegmError(
        f"the demo needs {error.name}; install it with: pip install 'isegm[demo]'"
    ) from None

log = logging.getLogger("isegm")
OPEN_TO_ALL = ("0.0.0.0", "::")  # addresses that mean every interface


def add_flags(parser: argparse.ArgumentParser) -> None:
    flags.add_checkpoint(parser, default=STARTER)
    flags.add_protocol(parser)
    flags.add_dataset(parser)
    parser.add_argument(
        "--images", type=Path, help="a folder whose pictures are offered (default: painted scenes)"
    )
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any but loopback lets others in",
    )
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        help="another name or address of the server; * for any (no check)",
    )
    flags.add_device(parser)
    defaults = Limits()
    parser.add_argument(
        "--max-upload", type=int, default=defaults.upload_bytes >> 20, help="MiB of one request"
    )
    parser.add_argument("--max-pixels", type=int, default=defaults.pixels, help="of one image")
    parser.add_argument("--max-sessions", type=int, default=defaults.sessions, help="open at once")
    parser.add_argument(
        "--idle-minutes",
        type=float,
        default=defaults.idle_seconds / 60,
        help="until a session is closed",
    )
    parser.add_argument(
        "--max-memory",
        type=int,
        default=defaults.memory_bytes >> 20,
        help="MiB of all sessions together",
    )
    parser.add_argument(
        "--max-connections", type=int, default=defaults.connections, help="open at once"
    )
    parser.add_argument(
        "--parallel", type=int, default=defaults.parallel, help="answers computed at once"
    )
    flags.add_config(parser)


def check_address(host: str, port: int) -> None:
    """Check the address before the slow steps.

    Raises:
        IsegmError: it is taken, or does not belong to this machine.
    """
    if not 0 < port < 1 << 16:
        raise IsegmError(f"--port {port}: expected a number from 1 to 65535")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise IsegmError(
            f"cannot listen on {host} port {port}: {error}; choose another --port or --host"
        ) from None


def own_addresses() -> list[str]:
    """The name and the addresses by which this machine knows itself."""
    name = socket.gethostname()
    try:
        known = {info[4][0].partition("%")[0] for info in socket.getaddrinfo(name, None)}
    except OSError:
        known = set()
    return [name, *sorted(known)]


def served(args: argparse.Namespace, cfg: EasyDict) -> Served:
    pictures = FolderPictures(args.images) if args.images else PaintedPictures()
    loaded = load_model(find_checkpoint(cfg, args.checkpoint), pick_device(args.cpu, args.gpus))
    name = args.protocol or loaded.model.protocol
    protocol = load_protocol(name)
    protocol = protocol.for_dataset(args.dataset) if args.dataset else protocol
    return Served(
        answering=Answering(loaded.model.requires_grad_(False), protocol),
        checkpoint={"name": Path(loaded.path).name, "sha256": loaded.sha256},
        protocol={"name": Path(name).stem, "dataset": args.dataset, "label": protocol.label},
        device=str(next(loaded.model.parameters()).device),
        pictures=pictures,
    )


def main(args: argparse.Namespace) -> None:
    limits = Limits(
        upload_bytes=args.max_upload << 20,
        pixels=args.max_pixels,
        sessions=args.max_sessions,
        idle_seconds=60 * args.idle_minutes,
        parallel=args.parallel,
        memory_bytes=args.max_memory << 20,
        connections=args.max_connections,
    )
    check_address(args.host, args.port)
    own = own_addresses() if args.host in OPEN_TO_ALL else [args.host]
    hosts = (*args.allow_host, *own)
    app = create_app(served(args, load_config(args.config_path)), limits, hosts)
    if args.host not in ("127.0.0.1", "localhost", "::1"):
        log.warning(
            "listening on %s: everyone who reaches this address can use the demo; nothing is"
            " encrypted. It answers for %s; other names need --allow-host",
            args.host,
            ", ".join(hosts),
        )
    shown = "127.0.0.1" if args.host in OPEN_TO_ALL else args.host
    shown = f"[{shown}]" if ":" in shown else shown
    log.info("open http://%s:%d  (Ctrl-C ends it)", shown, args.port)
    uvicorn.run(
        app,
        host=args.host,
        port=args.port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        http=limited(limits.connections, limits.header_seconds),
    )
