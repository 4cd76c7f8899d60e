"""The one predictor: a session in, a session out; undo is keeping the old one."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from torch import Tensor

from isegm.core import boxes
from isegm.core.clicks import Click, Clicks
from isegm.core.errors import IsegmError
from isegm.core.rounds import Prediction, Round, Session, join_states, split_state, state_shape
from isegm.inference.cascade import Cascade
from isegm.inference.merge import ProgressiveMerge
from isegm.inference.mirror import averaged, with_mirror
from isegm.inference.sis import StructuralIntegrity
from isegm.inference.views.base import View, ViewRule
from isegm.inference.views.zoom_in import ZoomIn
from isegm.methods.base import ClickModel


@dataclass(frozen=True)
class Request:
    """A session that waits for an answer: all its clicks, the newest included, and the view."""

    session: Session
    clicks: tuple[Click, ...]
    view: View

    @property
    def fresh(self) -> bool:
        return (self.session.view, self.session.view_size) != (self.view.source, self.view.size)

    @property
    def group(self) -> Hashable:
        """Requests of the same group can share a forward pass."""
        known = None if self.fresh else state_shape(self.session.features)
        return self.view.size, self.fresh, state_shape(self.session.state), known

    def again(self, answer: Session) -> Request:
        """The same request to a network that is shown its own answer as the previous mask."""
        kept = {"state": answer.state, "features": answer.features}
        kept |= {"view": answer.view, "view_size": answer.view_size}
        return replace(self, session=replace(self.session, prev_prob=answer.feedback, **kept))


@dataclass(frozen=True)
class Finish:
    """What is done with an answer once it is back in the image.

    Attributes:
        refine: settings of the method's second look, see ``ClickModel.refine_many``.
        merge: how answers are merged into the mask that a session started from, None to replace it.
        integrity: post-processing of what the user sees, None for none.
    """

    refine: Mapping[str, float] = field(default_factory=dict)
    merge: ProgressiveMerge | None = None
    integrity: StructuralIntegrity | None = None


class Predictor:
    """Answers clicks with a model, for one session or many at once. It holds no session, so threads
    can share it.

    Args:
        model: the network; put into eval mode.
        rule: chooses the views, see ``isegm.inference.views``; ``ZoomIn()`` by default.
        mirror: average over the view and its mirror image.
        finish: what is done with answers; by default only the method's second look.
        clicks_limit: the network sees only the first clicks of a session, up to this many; None for
            all.
        max_pixels: the most pixels in one forward pass, including mirror images; a single view may
            exceed it.
        amp: run the network under bfloat16 autocast. Faster, and no longer exact.
        cascade: extra passes on the network's own answer; None for none.

    Raises:
        IsegmError: the network does not offer the map that the rule follows, or takes no previous
            mask for a cascade.
    """

    def __init__(
        self,
        model: ClickModel,
        rule: ViewRule | None = None,
        *,
        mirror: bool = False,
        finish: Finish | None = None,
        clicks_limit: int | None = None,
        max_pixels: int | None = None,
        amp: bool = False,
        cascade: Cascade | None = None,
    ) -> None:
        self.model = model.eval()
        self.finish = finish or Finish()
        self.rule = ZoomIn() if rule is None else rule
        if self.rule.follow not in (None, *model.shown_maps):
            known = ", ".join(model.shown_maps) or "nothing but its answer"
            raise IsegmError(
                f"the view is to follow {self.rule.follow}, but {type(model).__name__} offers"
                f" {known}; use another protocol, or one whose view has follow: null"
            )
        if cascade is not None:
            cascade.check(model)
        self.cascade = cascade
        self.mirror, self.clicks_limit, self.amp = mirror, clicks_limit, amp
        self.device = next((p.device for p in model.parameters()), torch.device("cpu"))
        # A CPU gains nothing from batches; a GPU idles without them.
        self.max_pixels = max_pixels or (1 if self.device.type == "cpu" else 64 * 400 * 600)

    def start(self, image: np.ndarray | Tensor, prob: np.ndarray | Tensor | None = None) -> Session:
        """Open a session.

        Args:
            image: RGB, ``H W 3`` uint8 array, or ``1 3 H W`` tensor (uint8, or float in [0, 1]).
            prob: ``H W`` in [0, 1], a mask to start from; the network sees it as the previous
                answer.

        Raises:
            IsegmError: the image or the mask has another shape or type.
        """
        pixels = _image_tensor(image)
        height, width = pixels.shape[-2:]
        if prob is None:
            start = torch.zeros(1, 1, height, width)
        else:
            start = torch.as_tensor(prob, dtype=torch.float32).reshape(1, 1, *np.shape(prob)[-2:])
            if start.shape[-2:] != (height, width):
                raise IsegmError(
                    f"the mask to start from is {tuple(start.shape[-2:])}, the image"
                    f" {(height, width)}: sizes must match"
                )
        return Session(pixels.to(self.device), start.to(self.device), from_mask=prob is not None)

    def click(self, session: Session, click: Click) -> Session:
        """Answer one more click. The old session stays as it is."""
        return self.click_many([session], [click])[0]

    def click_many(self, sessions: Sequence[Session], clicks: Sequence[Click]) -> list[Session]:
        """Answer one click in each of several sessions.

        Raises:
            IsegmError: a click lies outside its image.
        """
        return self.answer([self.request(s, c) for s, c in zip(sessions, clicks, strict=True)])

    def request(self, session: Session, click: Click) -> Request:
        """A click that waits for its answer: decides what the network will be shown.

        Raises:
            IsegmError: the click lies outside the image.
        """
        session = session.plain or session
        height, width = session.image.shape[-2:]
        if not boxes.whole(height, width).contains(click.y, click.x):
            raise IsegmError(
                f"click (y={click.y}, x={click.x}) lies outside the image of {height} rows and"
                f" {width} columns; y comes first"
            )
        clicks = (*session.clicks, click)
        return Request(session, clicks, self.rule.view(session, clicks))

    def answer(self, requests: Sequence[Request]) -> list[Session]:
        """The sessions after their requests, in order; views of equal size share forward passes."""
        with torch.inference_mode() if not self.model.infer_with_grad else torch.no_grad():
            answers = self._answer(requests)
            for _ in range(1, self.rule.first_passes):
                first = [i for i, request in enumerate(requests) if len(request.clicks) == 1]
                shown = [replace(requests[i].session, prev_prob=answers[i].feedback) for i in first]
                again = [
                    replace(requests[i], session=session)
                    for i, session in zip(first, shown, strict=True)
                ]
                for i, session in zip(first, self._answer(again), strict=True):
                    answers[i] = session
            asked = list(requests)
            again = [i for i, session in enumerate(answers) if self.rule.looks_again(session)]
            if again:
                # The new view is chosen by the new answer, while the network is shown the old one.
                for i in again:
                    seen = replace(answers[i], prev_prob=requests[i].session.feedback)
                    asked[i] = Request(seen, seen.clicks, self.rule.view(seen, seen.clicks))
                second = self._answer([asked[i] for i in again])
                for i, session in zip(again, second, strict=True):
                    answers[i] = session
            if self.cascade is not None:
                answers = self._cascaded(self.cascade, asked, answers)
        integrity = self.finish.integrity
        return answers if integrity is None else integrity.many(answers)

    def infer(self, round_: Round) -> Prediction:
        """Ask the network once."""
        return self.model.infer(round_)

    def refine(
        self, before: Sequence[Session], after: Sequence[Session], pred: Prediction
    ) -> list[Session]:
        """Ask the method for its second look."""
        return self.model.refine_many(before, after, pred, **self.finish.refine)

    def views_per_pass(self, size: tuple[int, int], max_pixels: int | None = None) -> int:
        """How many views of a size (rows, columns) go into one forward pass."""
        return max(1, (max_pixels or self.max_pixels) // self._pixels(size))

    def _pixels(self, size: tuple[int, int]) -> int:
        """The pixels of one view in a forward pass, including its mirror image."""
        return size[0] * size[1] * (2 if self.mirror else 1)

    def _cascaded(
        self, cascade: Cascade, requests: Sequence[Request], answers: Sequence[Session]
    ) -> list[Session]:
        """The answers after the extra passes of each session."""
        answers = list(answers)
        going = [i for i, request in enumerate(requests) if cascade.covers(len(request.clicks))]
        for _ in range(cascade.passes):
            made = self._answer([requests[i].again(answers[i]) for i in going])
            pairs = list(zip(going, made, strict=True))
            going = [i for i, session in pairs if not cascade.has_settled(answers[i], session)]
            for i, session in pairs:
                answers[i] = session
        return answers

    def _answer(self, requests: Sequence[Request]) -> list[Session]:
        groups: dict[Hashable, list[int]] = {}
        for i, request in enumerate(requests):
            groups.setdefault(request.group, []).append(i)
        answers: list[Session | None] = [None] * len(requests)
        max_pixels = self.max_pixels
        for indices in groups.values():
            while indices:
                size = requests[indices[0]].view.size
                part = self.views_per_pass(size, max_pixels)
                chosen, indices = indices[:part], indices[part:]
                sessions = self._attempt([requests[i] for i in chosen])
                if sessions is None:  # half as much at once, from here to the end of this call
                    tried = min(max_pixels, len(chosen) * self._pixels(size))
                    max_pixels = max(1, tried // 2)
                    indices = chosen + indices
                    continue
                for i, session in zip(chosen, sessions, strict=True):
                    answers[i] = session
        return answers

    def _attempt(self, requests: Sequence[Request]) -> list[Session] | None:
        """One forward pass; None if the GPU has no memory for that many views."""
        try:
            return self._pass(requests)
        except torch.OutOfMemoryError:
            if len(requests) == 1:
                raise IsegmError(
                    f"the GPU has no memory for a single view of {requests[0].view.size}; use a"
                    " smaller zoom-in size or --cpu"
                ) from None
        # Outside the handler, which would keep the failed pass alive.
        torch.cuda.empty_cache()
        return None

    def _pass(self, requests: Sequence[Request]) -> list[Session]:
        round_ = self._round(requests)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.amp):
            shown = with_mirror(round_) if self.mirror else round_
            if shown.features is None:
                shown = replace(shown, features=self.model.encode_image(shown.image))
            pred = averaged(self.infer(shown)) if self.mirror else self.infer(shown)
            logits = pred.logits.float()
            before, count = [request.session for request in requests], len(requests)
            after = [
                replace(
                    self._after(request, pred, logits[i : i + 1], i, count),
                    features=split_state(shown.features, i, count, self.mirror),
                )
                for i, request in enumerate(requests)
            ]
            refined = self.refine(before, after, pred)
        merge = self.finish.merge
        if merge is None:
            return refined
        return [merge(b, a) for b, a in zip(before, refined, strict=True)]

    def _round(self, requests: Sequence[Request]) -> Round:
        shown, clicks = [], []
        for request in requests:
            view, session = request.view, request.session
            image = boxes.cut(session.image, view.source)
            if view.as_bytes:
                image = _bytes_resized(image, view.size)
            if image.dtype == torch.uint8:
                image = image.float() / 255
            mask = boxes.cut(session.feedback, view.source)
            if view.as_bytes:
                seen = torch.cat([image, boxes.resize(mask, view.size, view.aligned)], 1)
            else:  # together, as one four-channel image
                seen = boxes.resize(torch.cat([image, mask], 1), view.size, view.aligned)
            shown.append(seen)
            limit = self.clicks_limit
            known = Clicks.of(request.clicks if limit is None else request.clicks[:limit])
            known = known.crop(view.source, view.size)
            clicks.append(known.inner(view.size) if self.rule.inner_clicks else known)
        stacked = torch.cat(shown)
        sessions, fresh = [r.session for r in requests], requests[0].fresh
        features = None if fresh else join_states([s.features for s in sessions], self.mirror)
        state = join_states([s.state for s in sessions], self.mirror)
        return Round(
            image=stacked[:, :3],
            clicks=Clicks.cat(clicks).to(self.device),
            prev_prob=stacked[:, 3:],
            state=state,
            fresh_view=fresh,
            features=features,
        )

    def _after(
        self, request: Request, pred: Prediction, logits: Tensor, index: int, count: int
    ) -> Session:
        session, view = request.session, request.view

        def in_image(x: Tensor, around: Tensor | None = None) -> Tensor:
            # A published flaw: the map takes the size of the source in between.
            if view.target != view.source:
                x = boxes.resize(x, (view.source.height, view.source.width))
            return boxes.paste(x, view.target, *session.image.shape[-2:], view.aligned, around)

        if view.logits:
            prob = in_image(logits).sigmoid()
        else:
            prob = in_image(logits.sigmoid(), session.prob if view.keeps else None)
        follow = self.rule.follow
        return replace(
            session,
            clicks=request.clicks,
            prob=prob,
            prev_prob=None,
            box=view.held,
            view=view.source,
            view_size=view.size,
            followed=None if follow is None else in_image(pred.aux[follow][index : index + 1]),
            maps={
                name: pred.aux[name][index : index + 1].clone()
                for name in self.model.shown_maps
                if name in pred.aux
            },
            state=split_state(pred.state, index, count, self.mirror),
        )


def _image_tensor(image: np.ndarray | Tensor) -> Tensor:
    if isinstance(image, np.ndarray):
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
            raise IsegmError(
                f"expected an RGB image of shape (H, W, 3) and type uint8, got {image.shape} of"
                f" {image.dtype}"
            )
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))[None]
    if image.ndim != 4 or image.shape[:2] != (1, 3) or not image.numel():
        raise IsegmError(
            f"expected an image tensor of shape (1, 3, H, W), got {tuple(image.shape)}"
        )
    return image


def _bytes_resized(image: Tensor, size: tuple[int, int]) -> Tensor:
    """``boxes.resize_bytes`` of ``1 3 H W``; floats are rounded to gray levels first."""
    levels = image if image.dtype == torch.uint8 else (image * 255).round().to(torch.uint8)
    resized = boxes.resize_bytes(levels[0].cpu().numpy(), size)
    return torch.from_numpy(np.ascontiguousarray(resized))[None].to(image.device)
