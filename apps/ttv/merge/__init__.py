"""From canonical outputs to a posterior and its verdict."""

from __future__ import annotations
