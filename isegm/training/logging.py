"""The output of a run, on process 0 only: progress bar, text log, TensorBoard, pictures."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter
from tqdm import tqdm

from isegm.core.clicks import NEGATIVE, POSITIVE
from isegm.core.rounds import Round
from isegm.training.run_folder import RunFolder

log = logging.getLogger("isegm")
COLOURS = {POSITIVE: (0, 200, 0), NEGATIVE: (230, 0, 0)}  # RGB
PICTURE_ROWS = 4


class RunLog:
    """The log of one run. ``folder`` is None on all processes but the first; all methods then do
    nothing.

    ``step`` is where the run starts or resumes: TensorBoard discards later points, which will be
    repeated.
    """

    def __init__(self, folder: RunFolder | None, step: int = 0) -> None:
        self.folder = folder
        self._bar: tqdm | None = None
        if folder is None:
            return
        self._writer = SummaryWriter(str(folder.logs), purge_step=step)
        self._file = logging.FileHandler(folder.logs / "train.log")
        self._file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(self._file)

    def close(self) -> None:
        if self.folder is None:
            return
        self.end_epoch()
        self._writer.close()
        log.removeHandler(self._file)
        self._file.close()

    def info(self, message: str, *args: Any) -> None:
        if self.folder is not None:
            log.info(message, *args)

    def start_epoch(self, name: str, done: int, batches: int) -> None:
        if self.folder is not None:
            terminal = sys.stderr.isatty()
            self._bar = tqdm(
                total=batches,
                initial=done,
                desc=name,
                mininterval=0.5 if terminal else 60,
                dynamic_ncols=terminal,
                leave=False,
            )

    def advance(self) -> None:
        if self._bar is not None:
            self._bar.update()

    def end_epoch(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def scalars(self, kind: str, values: Mapping[str, float], step: int) -> None:
        """Write values to TensorBoard under ``kind/``, and loss and IoU to the progress bar."""
        if self.folder is None:
            return
        for name, value in values.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)
        if self._bar is not None:
            shown = {name: f"{values[name]:.4f}" for name in ("loss", "IoU") if name in values}
            self._bar.set_postfix(shown, refresh=False)

    def record(self, entry: Mapping[str, Any]) -> None:
        """Append one line of JSON to logs/metrics.jsonl, and log it as text."""
        if self.folder is None:
            return
        with (self.folder.logs / "metrics.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        shown = (f"{k} {v:.4g}" if isinstance(v, float) else f"{k} {v}" for k, v in entry.items())
        log.info("%s", "  ".join(shown))

    def has(self, epoch: int) -> bool:
        """Whether the validation of an epoch is recorded, in the run folder."""
        if self.folder is None or not (path := self.folder.logs / "metrics.jsonl").exists():
            return False
        return any(
            line.startswith(f'{{"epoch": {epoch},') for line in path.read_text().splitlines()
        )

    def picture(self, round_: Round, target: Tensor, logits: Tensor, step: int) -> None:
        """Save a picture of the first samples: image with clicks, previous mask, target, answer."""
        if self.folder is None:
            return
        sheet = picture(round_, target, logits)
        path = str(self.folder.vis / f"{step:07d}.jpg")
        cv2.imwrite(path, sheet[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
        self._writer.add_image("train/samples", sheet, step, dataformats="HWC")


def picture(round_: Round, target: Tensor, logits: Tensor, rows: int = PICTURE_ROWS) -> np.ndarray:
    """``rows*H 4*W 3`` uint8: image with clicks (green: object), previous mask, target (gray:
    ignored), answer.
    """
    images = (round_.image[:rows].float() * 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    prob = logits[:rows].float().sigmoid()
    maps = torch.cat([round_.prev_prob[:rows], target[:rows], prob], 1).float()
    maps = torch.where(maps < 0, 0.5, maps).mul(255).to(torch.uint8).cpu().numpy()  # R 3 H W
    sheet = []
    for image, channels, yx, label in zip(
        images, maps, round_.clicks.yx.tolist(), round_.clicks.label.tolist(), strict=False
    ):
        drawn = np.ascontiguousarray(image)
        radius = max(2, min(drawn.shape[:2]) // 64)
        for (y, x), kind in zip(yx, label, strict=True):
            if kind in COLOURS:
                cv2.circle(drawn, (round(x), round(y)), radius + 1, (255, 255, 255), -1)
                cv2.circle(drawn, (round(x), round(y)), radius, COLOURS[kind], -1)
        gray = (np.repeat(channel[..., None], 3, 2) for channel in channels)
        sheet.append(np.concatenate([drawn, *gray], 1))
    return np.concatenate(sheet, 0)
