"""Flags that several commands share, each declared once."""

from __future__ import annotations

import argparse
from typing import Any

import yaml
from easydict import EasyDict

from isegm.core.errors import IsegmError
from isegm.data.medical.organs import ORGANS
from isegm.evaluation.users.base import checked_user
from isegm.inference.cascade import ADAPTIVE, cascade_settings
from isegm.inference.protocol import Protocol, protocol_for
from isegm.inference.sis import CONNECTIVITIES
from isegm.inference.sizes import fixed_size, with_crops
from isegm.methods.base import ClickModel
from isegm.methods.checkpoints import STARTER
from isegm.utils.config import load_config


def add_config(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config-path", help="another config.yml")


def add_device(parser: argparse.ArgumentParser, gpus: str = "number of the GPU to use") -> None:
    """``--gpus`` or ``--cpu``, for ``pick_device``."""
    device = parser.add_mutually_exclusive_group()
    device.add_argument("--gpus", help=gpus)
    device.add_argument("--cpu", action="store_true", help="use no GPU")


def add_checkpoint(
    parser: argparse._ActionsContainer, *names: str, default: str | None = None
) -> None:
    """``--checkpoint``, for ``find_checkpoint``; ``names`` are further names of it."""
    note = "a file, a name under WEIGHTS_PATH of config.yml or of isegm download --list, hf:...,"
    note += " an exported network (.onnx), or a model of others: foreign:..., classical:...,"
    note += " plugin:FILE"
    note += "" if default else f" (default: {STARTER})"
    parser.add_argument("--checkpoint", *names, default=default, help=note)


def add_protocol(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--protocol", help="a file in configs/eval (default: the method's own)")


def add_as_is(parser: argparse.ArgumentParser) -> None:
    """``--as-is``: do not call ``for_evaluation``."""
    note = "the network unchanged: no folded batch norms, no other memory layout (slower)"
    parser.add_argument("--as-is", action="store_true", help=note)


def add_dataset(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dataset", help="use the protocol's settings for this data set")


def add_folders(parser: argparse.ArgumentParser) -> None:
    """Where the evaluation set ``folder`` is; ``config_with_folders`` reads them."""
    parser.add_argument("--image-dir", help="for the data set folder: the images")
    parser.add_argument("--mask-dir", help="for the data set folder: their masks")


def config_with_folders(args: argparse.Namespace) -> EasyDict:
    """``config.yml``, and the folders of ``add_folders``."""
    cfg = load_config(args.config_path)
    cfg.IMAGE_DIR, cfg.MASK_DIR = args.image_dir, args.mask_dir
    return cfg


def add_organ(parser: argparse.ArgumentParser) -> None:
    """An organ of medical volumes and its numbers in label volumes, for ``parse_labels``."""
    parser.add_argument("--organ", required=True, help=", ".join(ORGANS))
    parser.add_argument(
        "--labels",
        default="decathlon",
        help="in label volumes: decathlon, totalsegmentator, or numbers, e.g. 10,11,12",
    )


def add_missing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--missing",
        choices=("error", "skip"),
        default="error",
        help="how to treat volumes that lack predictions",
    )


def add_protocol_settings(parser: argparse.ArgumentParser) -> None:
    """Flags of the protocol: its name, sizes of views, and post-processing."""
    add_protocol(parser)
    add = parser.add_argument
    add("--eval-mode", help="cvpr, other sizes in the protocol, fixedN or fixedH,W")
    side = "side of the square (of whole images: shorter side) of every view"
    add("--infer-size", type=int, help=side)
    crop = "how much larger than the object the target crop is"
    add("--target-crop-r", type=float, help=crop)
    change = "how much larger than a change the crop of a second look is"
    add("--focus-crop-r", type=float, help=change)
    add(
        "--sis",
        type=int,
        nargs="?",
        const=4,
        choices=(0, *CONNECTIVITIES),
        help="keep what is 4- or 8-connected with a positive click; 0: all (default: protocol)",
    )
    add_cascade(parser)


def add_cascade(parser: argparse.ArgumentParser) -> None:
    """Extra passes on the network's own answer; ``with_cascade`` reads them."""
    note = f"extra passes per click on the network's own answer, or {ADAPTIVE}; 0: none"
    parser.add_argument("--cfr", metavar="N", help=f"{note} (default: protocol)")
    note = "for --cfr: only the first K clicks (default: all)"
    parser.add_argument("--cfr-clicks", metavar="K", type=int, help=note)


def with_cascade(args: argparse.Namespace, protocol: Protocol) -> Protocol:
    """The protocol with the extra passes that the flags ask for; its label says so.

    Raises:
        IsegmError: neither a number nor ``adaptive``, or ``--cfr-clicks`` alone.
    """
    if args.cfr is None:
        if args.cfr_clicks is not None:
            raise IsegmError("--cfr-clicks belongs to --cfr, e.g. --cfr 2 --cfr-clicks 1")
        return protocol
    return protocol.changed(cfr=cascade_settings(args.cfr, args.cfr_clicks))


def add_user(parser: argparse.ArgumentParser) -> None:
    note = (
        "who clicks, instead of the protocol's user, e.g. jitter,share=0.2: docs/reference/users.md"
    )
    parser.add_argument("--user", metavar="NAME[,KEY=VALUE...]", help=note)


def parsed_user(text: str) -> dict[str, Any]:
    """``"jitter,share=0.2"`` to ``{"name": "jitter", "share": 0.2}``.

    Raises:
        IsegmError: a setting without a value, a value that cannot be read, or a user or a setting
            that does not exist.
    """
    name, *settings = (part.strip() for part in text.split(","))
    user: dict[str, Any] = {"name": name}
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not (key and equals and value) or key in user:
            raise IsegmError(
                f"--user {text}: {setting!r} is no setting; expected key=value once for each key,"
                " e.g. jitter,share=0.2,seed=3"
            )
        try:
            user[key] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise IsegmError(f"--user {text}: {value!r} is no value of {key}") from None
    checked_user(user)
    return user


def with_user(protocol: Protocol, user: dict[str, Any]) -> Protocol:
    """The protocol with another user, or with other settings of the same; its label says so."""
    settings = {key: value for key, value in user.items() if key != "name"}
    if user["name"] == protocol.user["name"]:
        return protocol.with_entries("user", **settings)
    return protocol.changed(user=user)


def asked_protocol(args: argparse.Namespace, model: ClickModel, **changes: Any) -> Protocol:
    """The protocol that these flags choose.

    Args:
        model: its own protocol is the default.
        changes: further changes, for ``Protocol.changed``.

    Raises:
        IsegmError: an unknown protocol, or a flag that does not apply to it.
    """
    if args.sis is not None:
        changes["sis"] = args.sis or None
    protocol = fixed_size(protocol_for(model, args.protocol), args.eval_mode)
    protocol = with_crops(protocol, args.infer_size, args.target_crop_r, args.focus_crop_r)
    return with_cascade(args, protocol.changed(**changes))
