"""Other sizes for a protocol: the flags ``--eval-mode``, ``--infer-size`` and the like."""

from __future__ import annotations

from isegm.core.errors import IsegmError
from isegm.inference.protocol import Protocol

OWN_SIZES = "cvpr"  # what published scripts call a protocol's own sizes


def fixed_size(protocol: Protocol, mode: str | None) -> Protocol:
    """The protocol under an ``--eval-mode``.

    Args:
        mode: a name in the protocol's ``sizes``; ``fixedN`` or ``fixedH,W`` to show every view at
            that size; None or ``cvpr`` to keep the protocol, unless it has sizes of that name.

    Raises:
        IsegmError: any other mode, or a view rule without a size.
    """
    if mode in protocol.sizes:
        return protocol.with_sizes(mode)
    if mode in (None, OWN_SIZES):
        return protocol
    sizes = mode.removeprefix("fixed").split(",")
    numbers = all(s.isdigit() and int(s) > 0 for s in sizes)
    if not mode.startswith("fixed") or len(sizes) > 2 or not numbers:
        known = ", ".join(dict.fromkeys((OWN_SIZES, *protocol.sizes)))
        given = f"--eval-mode {mode!r} under protocol {protocol.name}"
        raise IsegmError(f"{given}: expected {known}, fixedN (e.g. fixed448) or fixedH,W")
    rows, columns = (int(s) for s in (sizes if len(sizes) == 2 else sizes * 2))
    return protocol.with_entries("view", **protocol.rule.at_size(rows, columns))


def with_crops(
    protocol: Protocol,
    infer_size: int | None = None,
    target_crop: float | None = None,
    focus_crop: float | None = None,
) -> Protocol:
    """The protocol under the flags for sizes of crops; None leaves a setting as it is.

    Args:
        infer_size: what the network sees has this many pixels; the view rule says on which side.
        target_crop: how much larger than the object's bounding box the crop is.
        focus_crop: how much larger than the box of the newest change the second look is.

    Raises:
        IsegmError: the view rule has no such setting, there is no second look to change, or a
            number is too small.
    """
    if infer_size is not None and infer_size < 32:
        raise IsegmError(f"--infer-size {infer_size}: expected at least 32 pixels")
    for flag, ratio in (("--target-crop-r", target_crop), ("--focus-crop-r", focus_crop)):
        if ratio is not None and ratio < 1:
            why = "a crop must not be smaller than what it shows"
            raise IsegmError(f"{flag} {ratio}: {why}; expected at least 1, e.g. 1.4")
    if infer_size is not None:
        protocol = protocol.with_entries("view", **protocol.rule.resized(infer_size))
    if target_crop is not None:
        protocol = protocol.with_entries("view", **protocol.rule.widened(target_crop))
    if focus_crop is not None:
        if not protocol.refine:
            why = f"protocol {protocol.name} has no refine section"
            raise IsegmError(f"{why}; --focus-crop-r is for methods with a second look")
        protocol = protocol.with_entries("refine", expansion=focus_crop)
    return protocol
