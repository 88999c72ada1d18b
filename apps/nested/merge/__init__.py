"""From canonical nested runs to evidence and posterior."""

from __future__ import annotations
