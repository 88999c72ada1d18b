from __future__ import annotations

import subprocess
import sys

BLOCKED = """
import sys
for name in ("scipy", "matplotlib", "pandas", "arviz_stats", "flask", "sqlalchemy"):
    sys.modules[name] = None
import apps.ttv.compute.chain
from apps.ttv.compute.moves import make_moves
from apps.ttv.compute.sampler_settings import SamplerSettings
make_moves(SamplerSettings(8, 1, 1, (("de", 0.5), ("snooker", 0.3), ("stretch", 0.2))))
"""


def test_the_app_needs_nothing_that_the_frozen_app_lacks() -> None:
    """Emcee imports scipy where it is; the frozen app has none."""
    subprocess.run([sys.executable, "-c", BLOCKED], check=True)
