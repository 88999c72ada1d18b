"""Simulated hosts that drive the real server, faster than real time.

`app` is a tiny app whose outputs can be right, wrong in part, or made up by agreement. `hosts` says
what hosts are like. `fleet` speaks the scheduler protocol for all of them, request bytes to reply
bytes, with a virtual clock. `report` counts what came of it.
"""

from __future__ import annotations
