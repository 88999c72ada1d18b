"""What is true: check, compare and quorum over uploaded outputs. Pure: files in, verdict out."""

from __future__ import annotations
