"""Without hypothesis (the extra ``dev``) there is nothing to test here."""

from __future__ import annotations

import importlib.util

if not all(importlib.util.find_spec(name) for name in ("hypothesis", "nibabel")):
    collect_ignore_glob = ["test_*.py"]
