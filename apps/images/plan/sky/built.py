"""The compiled kernel of the noise of skies, where it was built."""

from __future__ import annotations

import importlib
from typing import Any


def load_kernel() -> Any:
    """Return ``apps.images.plan.sky._kernel``; None if it was built without a compiler."""
    try:
        return importlib.import_module("apps.images.plan.sky._kernel")
    except ImportError:
        return None
