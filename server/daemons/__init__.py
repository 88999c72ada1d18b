"""Daemons: one file each, each with ``one_pass(project) -> int``, the number of things done.

They are crash-only: a pass finds work by one indexed column, does each piece in a transaction of
its own, and can be killed anywhere or run twice at once. What was not committed is found again.
"""

from __future__ import annotations
