"""Starting a server: its flags, its address, and what is said when it runs."""

from __future__ import annotations

import argparse
import logging
import socket
from typing import TYPE_CHECKING

from isegm.core.errors import IsegmError
from isegm.demo.limits import Limits
from isegm.utils.extras import needed

if TYPE_CHECKING:
    from fastapi import FastAPI

log = logging.getLogger("isegm")
OPEN_TO_ALL = ("0.0.0.0", "::")  # addresses that mean every interface
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_flags(parser: argparse.ArgumentParser, port: int) -> None:
    """Flags of a server's address and limits; ``port`` is the default."""
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; any but loopback lets others in",
    )
    parser.add_argument("--port", type=int, default=port)
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        help="another name of the server; * for any",
    )
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
        "--parallel", type=int, default=defaults.parallel, help="answers computed at once"
    )


def limits_of(args: argparse.Namespace) -> Limits:
    return Limits(
        upload_bytes=args.max_upload << 20,
        pixels=args.max_pixels,
        sessions=args.max_sessions,
        idle_seconds=60 * args.idle_minutes,
        parallel=args.parallel,
    )


def hosts_of(args: argparse.Namespace) -> tuple[str, ...]:
    """The server's names, for ``Guard``."""
    return (*args.allow_host, *(["*"] if args.host in OPEN_TO_ALL else [args.host]))


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


def listen(app: FastAPI, host: str, port: int) -> None:
    """Answer requests until Ctrl-C.

    Raises:
        IsegmError: uvicorn is missing.
    """
    uvicorn = needed("uvicorn", "demo", "the server")
    if host not in LOOPBACK:
        log.warning(
            "listening on %s: everyone who reaches this address can use the demo; nothing is"
            " encrypted",
            host,
        )
    shown = "127.0.0.1" if host in OPEN_TO_ALL else host
    shown = f"[{shown}]" if ":" in shown else shown
    log.info("open http://%s:%d  (Ctrl-C ends it)", shown, port)
    uvicorn.run(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
    )
