"""Any feature extractor of timm as a backbone, with click maps as an additional input."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import timm
import torch
from timm.layers import Format, resample_abs_pos_embed
from torch import Tensor, nn

from isegm.core.errors import IsegmError, unknown
from isegm.nn.weights import COUNTER, pretrained_tensors

log = logging.getLogger("isegm")

ENTRIES = ("stem", "input")
PROBE = 96  # rows and columns of the image that shows how many channels the features have
WRAPPERS = ("model.", "body.")  # prefixes that timm's extractors give to a wrapped network


class TimmFeatures(nn.Module):
    """Features at several strides from a network of timm.

    Its first layer must be one convolution of the image, as in nearly all of timm's networks; a
    network that feeds the image to several layers (FastViT, MobileOne) is refused.

    Args:
        name: timm's name of the network, e.g. ``efficientnet_lite0``. It must support
            ``features_only``.
        coords: number of coordinate features (click maps, previous mask) beside the image.
        entry: ``"stem"``: two convolutions of the coordinate features are added to the output of
            the first convolution; ``"input"``: the first convolution takes them as further
            channels of the image, with weights that begin at 0.
        levels: which of timm's feature levels to return, finest first; None for all. Modules that
            none of them needs are left out.
        without: names of modules to leave out, e.g. the last stage of a classification network;
            each must keep the size of its input.
        hidden: channels between the two convolutions of the entry ``"stem"``.
        image_size: rows and columns of the images, for networks that work at only one size
            (ViT, Swin); None for those that take any size.

    Attributes:
        channels: of the features, finest first.

    Raises:
        IsegmError: timm has no such network or module, or it cannot return features or take the
            size or the coordinate features.
    """

    def __init__(
        self,
        name: str,
        coords: int = 3,
        entry: str = "stem",
        levels: Sequence[int] | None = None,
        without: Sequence[str] = (),
        hidden: int = 8,
        image_size: int | None = None,
    ) -> None:
        super().__init__()
        if entry not in ENTRIES:
            raise unknown("entry", entry, ENTRIES)
        self.name, self.coords, self.without = name, coords, tuple(without)
        self.image_size = image_size
        self.network = _feature_extractor(name, levels, image_size)
        for module in self.without:
            _replace(self.network, _present(self.network, module), nn.Identity())
        self._entry, conv = _image_convolution(self.network, name)
        added = AddedToStem(conv, coords, hidden) if entry == "stem" else MoreChannels(conv, coords)
        _replace(self.network, self._entry, added)
        self._drop_unused()
        self.channels = [feature.shape[1] for feature in self._probed()]

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Extract features.

        Args:
            image: ``B 3 H W``, normalized as the network expects it.
            coords: ``B coords H W``.

        Returns:
            ``B C_i h_i w_i`` per level, with C_i from ``channels`` and about ``H / stride_i`` rows.

        Raises:
            IsegmError: the network needs images of ``image_size``, and this one differs.
        """
        rows, columns = image.shape[-2:]
        if self.image_size and (rows, columns) != (self.image_size, self.image_size):
            raise IsegmError(
                f"{self.name} was built for images of {self.image_size} x {self.image_size}, got"
                f" {rows} x {columns}; give image_size, the crop and the protocol's zoom one value"
            )
        features = self.network(torch.cat([image, coords], 1))
        if getattr(self.network, "output_fmt", Format.NCHW) == Format.NHWC:
            features = [feature.permute(0, 3, 1, 2).contiguous() for feature in features]
        return list(features)

    def is_new(self, name: str) -> bool:
        """Whether a parameter (named as in this module) takes the coordinate features."""
        return name.startswith(f"network.{self._entry}.coords.")

    def load_pretrained(self, source: str | Path) -> None:
        """Load ImageNet weights of the same network.

        Position embeddings of another image size are resampled.

        Args:
            source: a file with timm's names, or with tensors of the same shapes in the same order
                under other names, as ports of a network have; or ``hub:NAME`` for timm's own
                weights.

        Raises:
            IsegmError: the weights cannot be read or fetched, or are those of another network.
        """
        given, whole = pretrained_tensors(source), timm.create_model(self.name).state_dict()
        if not set(given) & set(whole):
            given = _renamed_by_order(given, whole, source, self.name)
        own = {key: value for key, value in self.state_dict().items() if not self.is_new(key)}
        names = {key: self._published_name(key, whole) for key in own}
        shared = {key: given[name] for key, name in names.items() if name in given}
        fitted = {key: self._at_own_size(key, value, own[key]) for key, value in shared.items()}
        missing = [key for key in own if key not in fitted and not key.endswith(COUNTER)]
        wrong = [key for key, value in fitted.items() if value.shape != own[key].shape]
        if missing or wrong:
            raise IsegmError(
                f"{source} does not fit {self.name}: {len(missing)} weights are missing and"
                f" {len(wrong)} have another shape, e.g. {names[(missing + wrong)[0]]};"
                " use the weights of this network"
            )
        self.load_state_dict(fitted, strict=False)
        log.info("%s: %d tensors of %s loaded", source, len(fitted), self.name)

    def _published_name(self, key: str, whole: Mapping[str, Tensor]) -> str:
        """The name of a key of this module in timm's classification network (keys: ``whole``)."""
        name = key.removeprefix("network.")
        if name.startswith(f"{self._entry}.image."):
            name = self._entry + name.removeprefix(f"{self._entry}.image")
        for wrapper in WRAPPERS:
            if name not in whole:
                name = name.removeprefix(wrapper)
        # Extractors may join the first two parts of a name: ``stages.0`` becomes ``stages_0``.
        first, dot, rest = name.partition(".")
        joints = [i for i, letter in enumerate(first) if letter == "_"]
        split = [f"{first[:i]}.{first[i + 1 :]}{dot}{rest}" for i in joints]
        return next((candidate for candidate in (name, *split) if candidate in whole), name)

    def _at_own_size(self, key: str, given: Tensor, own: Tensor) -> Tensor:
        """Position embeddings ``1 N C`` resampled to this network's grid; the rest unchanged."""
        if not key.endswith("pos_embed") or given.ndim != 3 or given.shape == own.shape:
            return given
        patches = key.removeprefix("network.").replace("pos_embed", "patch_embed")
        rows, columns = self.network.get_submodule(patches).grid_size
        prefix = own.shape[1] - rows * columns
        return resample_abs_pos_embed(given, [rows, columns], num_prefix_tokens=prefix)

    def _probed(self) -> list[Tensor]:
        """The features of a blank image in evaluation mode."""
        side, mode = self.image_size or PROBE, self.training
        self.eval()
        try:
            features = self(torch.zeros(1, 3, side, side), torch.zeros(1, self.coords, side, side))
        except (AssertionError, RuntimeError, ValueError) as error:
            raise IsegmError(self._refusal(side, error)) from error
        if any(feature.ndim != 4 for feature in features):
            raise IsegmError(f"the features of {self.name} are not maps; choose another network")
        self.train(mode)
        return features

    @torch.enable_grad()
    def _drop_unused(self) -> None:
        """Remove modules that no feature needs; timm keeps, e.g., the stages after the last one."""
        features = self._probed()
        named = list(self.network.named_parameters())
        total = sum(feature.sum() for feature in features)
        grads = torch.autograd.grad(total, [p for _, p in named], allow_unused=True)
        used = [name for (name, _), grad in zip(named, grads, strict=True) if grad is not None]
        dropped: list[str] = []
        for name, module in list(self.network.named_modules()):
            inside = any(name.startswith(f"{parent}.") for parent in dropped)
            holds = next(module.parameters(), None) is not None
            if name and holds and not inside and not any(u.startswith(f"{name}.") for u in used):
                dropped.append(name)
                _replace(self.network, name, nn.Identity())

    def _refusal(self, side: int, error: Exception) -> str:
        config = getattr(self.network, "pretrained_cfg", None) or {}
        if self.image_size is None and config.get("fixed_input_size"):
            usual = config["input_size"][-1]
            return f"{self.name} works at only one size; set image_size, e.g. to {usual}"
        return (
            f"{self.name} cannot process an image of {side} x {side} with {self.coords} coordinate"
            f" features ({error}); choose another network"
        )


class _ImageAndCoords(nn.Module):
    """``self.image`` on the channels of the image plus ``self.coords`` on the others."""

    def forward(self, x: Tensor) -> Tensor:
        return self.image(x[:, : self.inputs]) + self.coords(x[:, self.inputs :])


class AddedToStem(_ImageAndCoords):
    """A convolution of the image, plus two of the coordinate features with the same stride."""

    def __init__(self, conv: nn.Conv2d, coords: int, hidden: int) -> None:
        super().__init__()
        self.image, self.inputs = conv, conv.in_channels
        shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        last = nn.Conv2d(hidden, conv.out_channels, 1)
        self.coords = nn.Sequential(type(conv)(coords, hidden, *shape), nn.LeakyReLU(0.2), last)


class MoreChannels(_ImageAndCoords):
    """A convolution of the image with more input channels, whose weights start at 0."""

    def __init__(self, conv: nn.Conv2d, coords: int) -> None:
        super().__init__()
        self.image, self.inputs = conv, conv.in_channels
        shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        self.coords = type(conv)(coords, conv.out_channels, *shape, bias=False)
        nn.init.zeros_(self.coords.weight)


def _feature_extractor(
    name: str, levels: Sequence[int] | None, image_size: int | None
) -> nn.Module:
    if not timm.is_model(name):
        raise unknown("network of timm", name, timm.list_models())
    options = {} if image_size is None else {"img_size": image_size}
    indices = None if levels is None else tuple(levels)
    try:
        return timm.create_model(name, features_only=True, out_indices=indices, **options)
    except TypeError as error:
        if "img_size" not in str(error):
            raise IsegmError(_no_features(name, levels, error)) from error
        advice = "leave it out if the network takes any size, else choose another network"
        raise IsegmError(f"{name} takes no image_size; {advice}") from error
    except (RuntimeError, AssertionError, AttributeError, LookupError, ValueError) as error:
        raise IsegmError(_no_features(name, levels, error)) from error


def _no_features(name: str, levels: Sequence[int] | None, error: Exception) -> str:
    wanted = "" if levels is None else f" at levels {list(levels)}"
    reason = f"{type(error).__name__}: {error}"
    return f"timm cannot return features of {name}{wanted} ({reason}); choose others"


def _image_convolution(network: nn.Module, name: str) -> tuple[str, nn.Conv2d]:
    """The convolution that sees the image, and its name in the feature extractor."""
    convolutions = ((n, m) for n, m in network.named_modules() if isinstance(m, nn.Conv2d))
    place, conv = next(convolutions, ("", None))
    if conv is None or conv.in_channels != 3:
        raise IsegmError(
            f"the first layer of {name} is not a convolution of the image, so coordinate features"
            " cannot enter there; choose another network"
        )
    return place, conv


def _present(network: nn.Module, name: str) -> str:
    names = [other for other, _ in network.named_modules()]
    if name not in names:
        raise unknown("module", name, names)
    return name


def _replace(network: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition(".")
    setattr(network.get_submodule(parent), child, module)


def _renamed_by_order(
    given: Mapping[str, Tensor], whole: Mapping[str, Tensor], source: str | Path, name: str
) -> dict[str, Tensor]:
    """Tensors of a port under timm's names, if number, order and shapes agree."""
    if [tuple(v.shape) for v in given.values()] != [tuple(v.shape) for v in whole.values()]:
        raise IsegmError(
            f"{source} does not fit {name}: neither its names nor the order of its shapes are those"
            " of timm's network; use the weights of this network"
        )
    log.info("%s: no name is timm's, but all %d shapes agree in order", source, len(given))
    return dict(zip(whole, given.values(), strict=True))
