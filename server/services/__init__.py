"""Services: each owns its transactions and its files; routes and commands only call them."""

from __future__ import annotations
