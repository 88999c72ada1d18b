"""The compiled kernel of the noise of skies, where it was built."""

from __future__ import annotations

import importlib
from typing import Any


def load_kernel() -> Any:
    """Return ``work_generator.sky._kernel``; None if it was built without a compiler."""
    try:
        return importlib.import_module("work_generator.sky._kernel")
    except ImportError:
        return None
