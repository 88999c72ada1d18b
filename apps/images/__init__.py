"""Images: frames of one field, brought onto one grid and added."""

from __future__ import annotations
