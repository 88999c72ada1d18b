"""The demo: a whole project on this machine, from a campaign file to a merged posterior."""

from __future__ import annotations
