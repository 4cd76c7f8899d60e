"""``isegm evaluate --replay``: a session recorded in the demo, answered again."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from easydict import EasyDict

from isegm.cli.running import say
from isegm.core.errors import IsegmError
from isegm.data.reading import checked_image, read_image
from isegm.evaluation.replay import replay
from isegm.evaluation.results import RunResult
from isegm.inference.opening import open_model, title_of
from isegm.inference.protocol import Protocol, known_protocols, protocol_for
from isegm.inference.session_file import SessionFile, described, pixels_sha256
from isegm.inference.settings import Answering
from isegm.methods.base import ClickModel
from isegm.utils.device import pick_device

log = logging.getLogger("isegm")


def recorded_protocol(args: argparse.Namespace, file: SessionFile, model: ClickModel) -> Protocol:
    """The protocol that a session was recorded under, or that of ``--protocol``."""
    name, dataset = file.protocol["name"], file.protocol["dataset"]
    if not args.protocol and name not in known_protocols():
        raise IsegmError(
            f"the session was recorded under {described(file.protocol)}, a protocol of its own"
            f" ({name}.yml) that is not in configs/eval; give its file, or another protocol, as"
            " --protocol"
        )
    protocol = protocol_for(model, args.protocol or name)
    return protocol.for_dataset(dataset) if dataset else protocol


def replay_session(args: argparse.Namespace, checkpoint: str | Path, cfg: EasyDict) -> None:
    """Answer recorded clicks again and compare the masks with the recorded ones."""
    file = SessionFile.load(args.replay)
    if file.image is None and not args.image:
        raise IsegmError(f"the image is not in {args.replay}; give it as --image {file.image_name}")
    if args.image:
        image = read_image(Path(args.image))
    else:
        image = checked_image(file.image, file.image_name)
    loaded = open_model(checkpoint, pick_device(args.cpu, args.gpus), cfg)
    protocol, dataset = recorded_protocol(args, file, loaded.model), file.protocol["dataset"]
    answering = Answering(loaded.model, protocol)
    used = {"name": protocol.name, "dataset": dataset, "label": protocol.label}
    lacking = answering.lacking(recorded.settings for recorded in file.objects)
    for note in file.differences(loaded.sha256, pixels_sha256(image), used, lacking):
        log.warning("the session: %s", note)
    result = replay(answering, file, image, args.mode)
    for record in result.objects:
        iou = record.ious[-1]
        same = "as recorded" if iou == 1 else f"IoU {100 * iou:.2f} % with the recorded mask"
        spent = 1000 * sum(record.seconds) / len(record.seconds)
        say(f"object {record.id}: {len(record.clicks)} clicks, {same}; {spent:.0f} ms per click")
    if args.save_json:
        mode = args.mode or "as recorded"
        origin = {"path": str(loaded.path), "sha256": loaded.sha256, "mode": mode}
        outcome = RunResult.of(protocol, origin, [result], args.model_name or title_of(loaded))
        outcome.save(args.save_json)
        say(f"result file: {args.save_json}")
