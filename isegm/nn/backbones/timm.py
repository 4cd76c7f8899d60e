"""Any feature extractor of timm as a backbone, with click maps as a further input."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import timm
import torch
from torch import Tensor, nn

from isegm.core.errors import IsegmError, unknown
from isegm.nn.weights import pretrained_tensors

log = logging.getLogger("isegm")

ENTRIES = ("stem", "input")
PROBE = 64  # rows and columns of the image that tells the channels of the features


class TimmFeatures(nn.Module):
    """Features at several strides from a network of timm.

    Args:
        name: what timm calls the network, e.g. ``efficientnet_lite0``. It must support ``features_only``.
        coords: number of coordinate features (click maps, previous mask) that come beside the image.
        entry: ``"stem"``: two convolutions of the coordinate features are added to the output of the first convolution;
            ``"input"``: the first convolution takes them as further channels of the image.
        levels: which of timm's feature levels to return, finest first; None for all.
        without: names of modules to leave out, e.g. the last stage of a classification network; each must keep the size of what it is
            given.
        hidden: channels between the two convolutions of the entry ``"stem"``.
        image_size: rows and columns of the images, for networks that only work at a fixed size; None for any size.

    Attributes:
        channels: of the features, finest first.

    Raises:
        IsegmError: timm has no such network or module, or it cannot return features.
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
        self.network = _feature_extractor(name, levels, image_size)
        for module in self.without:
            _replace(self.network, _present(self.network, module), nn.Identity())
        place = _first_convolution(name, self.network)
        conv = self.network.get_submodule(place)
        joined = AddedToStem(conv, coords, hidden) if entry == "stem" else MoreChannels(conv, coords)
        _replace(self.network, place, joined)
        self._entry = place
        self.channels = self._measured_channels(image_size or PROBE)

    def forward(self, image: Tensor, coords: Tensor) -> list[Tensor]:
        """Extract features.

        Args:
            image: ``B 3 H W``, normalised as the network expects it.
            coords: ``B coords H W``.

        Returns:
            ``B C_i H/s_i W/s_i`` (rounded up) per level, with C_i from ``channels`` and the strides s_i of the network.
        """
        return list(self.network(torch.cat([image, coords], 1)))

    def is_new(self, name: str) -> bool:
        """Whether a parameter (named as in this module) belongs to what takes the coordinate features."""
        return name.startswith(f"network.{self._entry}.coords.")

    def load_pretrained(self, source: str | Path) -> None:
        """Load ImageNet weights of the same network.

        Args:
            source: a file in timm's names, or one that holds tensors of the same shapes in the same order under other names,
                as ports of a network do; or ``hub:NAME`` for timm's own weights.

        Raises:
            IsegmError: the weights cannot be had, or are those of another network.
        """
        given = pretrained_tensors(source)
        whole = timm.create_model(self.name).state_dict()
        if not set(given) & set(whole):
            given = _renamed_by_order(given, whole, source, self.name)
        own = {self._published_name(key): key for key in self.state_dict()}
        missing = [key for name, key in own.items() if name and name not in given]
        wrong = [key for name, key in own.items() if name in given and given[name].shape != self.state_dict()[key].shape]
        if missing or wrong:
            raise IsegmError(
                f"{source} does not fit {self.name}: {len(missing)} weights are missing and {len(wrong)} have another shape,"
                f" e.g. {(missing + wrong)[0]}"
            )
        self.load_state_dict({key: given[name] for name, key in own.items() if name}, strict=False)
        log.info("%s: %d tensors of %s loaded", source, sum(bool(name) for name in own), self.name)

    def _published_name(self, key: str) -> str | None:
        """timm's name in the classification network for a key of this module; None for what takes the coordinate features."""
        if self.is_new(key):
            return None
        place, name = self._entry, key.removeprefix("network.")
        if name.startswith(f"{place}.image."):
            name = place + name.removeprefix(f"{place}.image")
        name = name.removeprefix("model.")  # FeatureGetterNet wraps the whole network
        parts = name.split(".")
        # FeatureListNet flattens ``stages.0`` to ``stages_0``.
        head, _, number = parts[0].rpartition("_")
        return ".".join([head, number, *parts[1:]]) if number.isdigit() and head in FLATTENED else ".".join(parts)

    @torch.no_grad()
    def _measured_channels(self, side: int) -> list[int]:
        mode = self.training
        self.eval()
        features = self(torch.zeros(1, 3, side, side), torch.zeros(1, self.coords, side, side))
        self.train(mode)
        return [feature.shape[1] for feature in features]


FLATTENED = ("stages", "stem", "layers", "blocks", "features")


class AddedToStem(nn.Module):
    """A convolution of the image, plus two of the coordinate features with the same stride."""

    def __init__(self, conv: nn.Conv2d, coords: int, hidden: int) -> None:
        super().__init__()
        self.image, self.inputs = conv, conv.in_channels
        first = type(conv)(coords, hidden, conv.kernel_size, conv.stride, conv.padding, conv.dilation)
        self.coords = nn.Sequential(first, nn.LeakyReLU(0.2), nn.Conv2d(hidden, conv.out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.image(x[:, : self.inputs]) + self.coords(x[:, self.inputs :])


class MoreChannels(nn.Module):
    """A convolution of the image with weights for further channels; these begin at 0, so that nothing changes at first."""

    def __init__(self, conv: nn.Conv2d, coords: int) -> None:
        super().__init__()
        self.image, self.inputs = conv, conv.in_channels
        self.coords = type(conv)(
            coords, conv.out_channels, conv.kernel_size, conv.stride, conv.padding, conv.dilation, bias=False
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.image(x[:, : self.inputs]) + self.coords(x[:, self.inputs :])


def _feature_extractor(name: str, levels: Sequence[int] | None, image_size: int | None) -> nn.Module:
    if not timm.is_model(name):
        raise unknown("network of timm", name, timm.list_models())
    options = {"img_size": image_size} if image_size else {}
    try:
        return timm.create_model(name, features_only=True, out_indices=None if levels is None else tuple(levels), **options)
    except (RuntimeError, TypeError, AssertionError, AttributeError, ValueError) as error:
        raise IsegmError(f"timm cannot return features of {name} ({error}); choose another network") from error


def _first_convolution(name: str, network: nn.Module) -> str:
    """The name of the convolution that sees the image, in the feature extractor's own module names."""
    return next(name for name, module in network.named_modules() if isinstance(module, nn.Conv2d))


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
    """Tensors of a port under timm's names, if they are as many and of the same shapes in the same order."""
    if [tuple(value.shape) for value in given.values()] != [tuple(value.shape) for value in whole.values()]:
        raise IsegmError(
            f"{source} does not fit {name}: neither its names nor the order of its shapes are those of timm's network"
        )
    log.info("%s: no name is timm's, but all %d shapes agree in order with %s", source, len(given), name)
    return dict(zip(whole, given.values(), strict=True))
