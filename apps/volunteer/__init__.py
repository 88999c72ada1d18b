"""Our own small BOINC client, and a driver for the stock one."""

from __future__ import annotations
