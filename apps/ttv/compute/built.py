"""The compiled kernel, where it was built."""

from __future__ import annotations

import importlib
from typing import Any


def load_kernel() -> Any:
    """Return the module ``apps.ttv.compute._kernel``; None if it was built without a compiler."""
    try:
        return importlib.import_module("apps.ttv.compute._kernel")
    except ImportError:
        return None
