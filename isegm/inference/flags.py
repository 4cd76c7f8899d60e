"""Flags of scripts that answer clicks under a protocol, and the protocol that they ask for."""

from __future__ import annotations

import argparse
from typing import Any

from isegm.inference.protocol import Protocol, fixed_size, load_protocol, with_crops
from isegm.inference.sis import CONNECTIVITIES


def add_protocol_flags(parser: argparse.ArgumentParser) -> None:
    """The protocol, what the network is shown, and what of its answer is kept."""
    parser.add_argument("--protocol", help="a file in configs/eval (default: the method's own)")
    parser.add_argument("--eval-mode", help="emc-click or cvpr (the protocol's sizes), fixedN or fixedH,W")
    parser.add_argument("--infer-size", type=int, help="side of the square (EMC-Click: shorter side) every view is shown at")
    parser.add_argument("--target-crop-r", type=float, help="how much larger than the object the target crop is")
    parser.add_argument("--focus-crop-r", type=float, help="FocalClick: how much larger than a change the focus crop is")
    parser.add_argument(
        "--sis",
        type=int,
        nargs="?",
        const=4,
        choices=(0, *CONNECTIVITIES),
        help="keep only what is connected with a positive click, 4- or 8-connected; 0: keep all (default: the protocol's)",
    )


def asked_protocol(args: argparse.Namespace, own: str, **changes: Any) -> Protocol:
    """The protocol that these flags ask for.

    Args:
        own: the protocol of the method, taken without ``--protocol``.
        changes: what other flags of the script change, as for ``Protocol.changed``.

    Raises:
        IsegmError: an unknown protocol, or one that has nothing of what a flag changes.
    """
    protocol = fixed_size(load_protocol(args.protocol or own), args.eval_mode)
    protocol = with_crops(protocol, args.infer_size, args.target_crop_r, args.focus_crop_r).changed(**changes)
    return protocol if args.sis is None else protocol.changed(sis=args.sis or None)
