"""The central server: Flask, SQLAlchemy, files, daemons, executors and the command line."""

from __future__ import annotations
