"""Clicks of a user, in pixels, in the order they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isegm.core.boxes import Box
from isegm.core.click import Click

POSITIVE, NEGATIVE, PADDING = 1, 0, -1


@dataclass(frozen=True)
class Clicks:
    """A padded batch of clicks; column i is the i-th click of every sample, so order is kept across
    both signs.

    Attributes:
        yx: ``B N 2`` float64, row then column, in pixels of the view. float64 because the published
            protocols map clicks into a view in double precision, and the last bit may decide which
            pixels a disk covers.
        label: ``B N`` int64, 1 = object, 0 = background, -1 = padding (its coordinates mean
            nothing).
    """

    yx: Tensor
    label: Tensor

    @classmethod
    def of(cls, clicks: Sequence[Click], device: torch.device | str = "cpu") -> Clicks:
        """A batch of one sample: ``1 N 2`` and ``1 N``."""
        yx = torch.tensor([[c.y, c.x] for c in clicks], dtype=torch.float64, device=device)
        label = torch.tensor([int(c.positive) for c in clicks], dtype=torch.int64, device=device)
        return cls(yx.reshape(1, -1, 2), label.reshape(1, -1))

    @classmethod
    def cat(cls, batches: Sequence[Clicks]) -> Clicks:
        """Join batches along the sample axis, padding each to the longest."""
        longest = max(b.label.shape[1] for b in batches)
        padded = [b.padded(longest) for b in batches]
        return cls(torch.cat([b.yx for b in padded]), torch.cat([b.label for b in padded]))

    @property
    def count(self) -> Tensor:
        """``B``: the number of real clicks of each sample."""
        return (self.label != PADDING).sum(1)

    def padded(self, length: int) -> Clicks:
        """The same clicks in ``length`` columns (at least as many as there are)."""
        missing = length - self.label.shape[1]
        if missing <= 0:
            return self
        batch = len(self.label)
        return self.append(
            self.yx.new_zeros(batch, missing, 2), self.label.new_full((batch, missing), PADDING)
        )

    def append(self, yx: Tensor, label: Tensor) -> Clicks:
        """Add later clicks: ``yx`` is ``B 2`` or ``B K 2``, ``label`` is ``B`` or ``B K`` (-1:
        nothing for this sample).
        """
        if yx.ndim == 2:
            yx, label = yx[:, None], label[:, None]
        return Clicks(
            torch.cat([self.yx, yx.to(self.yx)], 1),
            torch.cat([self.label, label.to(self.label)], 1),
        )

    def first(self, n: int = 1) -> Clicks:
        """The first ``n`` columns, in the order the clicks were made."""
        return Clicks(self.yx[:, :n], self.label[:, :n])

    def last(self) -> Clicks:
        """The newest real click of each sample (``B 1``); samples may have unequal counts, one
        without clicks gets padding.
        """
        if not self.label.shape[1]:
            return self.padded(1)
        columns = torch.arange(self.label.shape[1], device=self.label.device)
        newest = torch.where(self.label != PADDING, columns, -1).amax(1).clamp(min=0)
        rows = torch.arange(len(self.label), device=self.label.device)
        return Clicks(self.yx[rows, newest][:, None], self.label[rows, newest][:, None])

    def only(self, label: int) -> Clicks:
        """The same columns with every click of another label turned into padding."""
        return Clicks(
            self.yx,
            torch.where(self.label == label, self.label, torch.full_like(self.label, PADDING)),
        )

    def crop(self, box: Box, size: tuple[int, int]) -> Clicks:
        """Map clicks from the image into a view that shows ``box`` at ``size`` (rows, columns).

        Coordinates scale by size over extent, which is half a pixel off the align-corners
        resampling of the image itself, as in every published protocol.
        """
        corner = self.yx.new_tensor([box.top, box.left])
        extent = self.yx.new_tensor([box.height, box.width])
        return Clicks(self.yx.new_tensor(size) * (self.yx - corner) / extent, self.label)

    def inner(self, size: tuple[int, int]) -> Clicks:
        """The same columns with every click on or outside the border of a view turned into padding.

        Only row 0, column 0 and what lies outside are affected: a coordinate may be anything up to
        the size.
        """
        inside = ((self.yx > 0) & (self.yx < self.yx.new_tensor(size))).all(-1)
        return Clicks(
            self.yx, torch.where(inside, self.label, torch.full_like(self.label, PADDING))
        )

    def mirror(self, width: int) -> Clicks:
        """The clicks of the horizontally mirrored view: column ``width - 1 - x``."""
        return Clicks(torch.stack([self.yx[..., 0], width - 1 - self.yx[..., 1]], -1), self.label)

    def to(self, device: torch.device | str) -> Clicks:
        return Clicks(self.yx.to(device), self.label.to(device))
