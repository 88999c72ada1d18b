"""The compiled kernel of co-addition, where it was built."""

from __future__ import annotations

import importlib
from typing import Any


def load_kernel() -> Any:
    """Return ``apps.images.merge.coadd._kernel``; None if it was built without a compiler."""
    try:
        return importlib.import_module("apps.images.merge.coadd._kernel")
    except ImportError:
        return None
