from __future__ import annotations

import subprocess
import sys

BLOCKED = """
import sys
for name in ("matplotlib", "emcee", "pandas", "arviz_stats", "tqdm", "flask", "sqlalchemy"):
    sys.modules[name] = None
import apps.nested.compute.unit
"""


def test_the_app_needs_nothing_that_the_frozen_app_lacks() -> None:
    """Dynesty asks for matplotlib, and imports it in a module that nothing here imports."""
    subprocess.run([sys.executable, "-c", BLOCKED], check=True)
