"""What runs on a volunteer's computer: the runtime, the sciences, and our own small client."""

from __future__ import annotations
