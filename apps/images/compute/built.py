"""The compiled kernel, where it was built."""

from __future__ import annotations

import importlib
from typing import Any


def load_kernel() -> Any:
    """Return the extension module ``apps.images.compute._kernel``; None if it was not built."""
    try:
        return importlib.import_module("apps.images.compute._kernel")
    except ImportError:
        return None
