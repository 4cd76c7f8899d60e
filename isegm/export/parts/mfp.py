"""MFP cannot be exported: how it changes the previous mask depends on the values in it."""

from __future__ import annotations

from typing import Any

from isegm.core.errors import IsegmError
from isegm.export.parts.base import OnePass
from isegm.methods.mfp import MFP


class Refused(OnePass):
    def __init__(self, *args: Any, **options: Any) -> None:
        raise IsegmError(
            "MFP cannot be exported: the steps of its modulation depend on the values of the"
            " previous mask, and an ONNX graph has the same steps for every input"
        )


METHOD, PARTS = MFP, Refused
