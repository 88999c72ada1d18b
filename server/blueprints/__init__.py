"""Blueprints: thin routes, one package for each of BOINC's server programs.

Each package has ``register(app: Flask) -> None``, which `server.app.create_app` calls.
"""

from __future__ import annotations
