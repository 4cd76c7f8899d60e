"""What cannot be synchronized; that answers stay is in the contract of methods."""

import pytest
from torch import nn

from isegm.core.errors import IsegmError
from isegm.nn.sync_norms import synchronized


def test_norms_that_may_do_more_are_refused() -> None:
    class Scaled(nn.BatchNorm2d):
        """Twice a batch norm."""

    with pytest.raises(IsegmError, match=r"cannot synchronize Scaled.*leave sync_bn off"):
        synchronized(nn.Sequential(Scaled(3)))
