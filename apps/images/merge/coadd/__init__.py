"""Co-addition: frames of one grid become one deep image, in row bands of bounded memory."""

from __future__ import annotations
