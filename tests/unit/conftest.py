from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

CAMPAIGN = """\
[campaign]
name = "tiny"
title = "A tiny campaign"
app = "ttv_mcmc"
seed = 7

[star]
mass = { value = 1.0, unit = "Msun" }

[data]
table = "tiny.csv"

[[planets]]
name = "b"
mass = { prior = "log_uniform", low = 1.0, high = 100.0, unit = "Mearth" }
period = { prior = "uniform", low = 9.9, high = 10.1, unit = "days" }
eccentricity = { prior = "uniform", low = 0.0, high = 0.2 }
t0 = { prior = "uniform", low = 100.9, high = 101.1, unit = "BKJD" }

[[planets]]
name = "c"
observed = false
mass = { prior = "normal", mean = 10.0, sigma = 2.0, unit = "Mearth" }
period = { prior = "uniform", low = 19.0, high = 21.0, unit = "days" }
eccentricity = { value = 0.0 }
t0 = { prior = "uniform", low = 95.0, high = 105.0, unit = "BKJD" }
inclination = { value = 89.0, unit = "deg" }

[model]
dt = { value = 0.5, unit = "days" }

[sampler]
n_walker = 24
n_step = 20
thin = 10
moves = { de = 0.8, snooker = 0.2 }

[units]
per_generation = 3
max_units = 8

[quorum]
min_quorum = 2

[stop]
rhat = 1.05

[[published]]
parameter = "b.mass"
value = 12.0
plus = 1.0
minus = 2.0
source = "Nobody 2026"
"""

TABLE = """\
# Made up.
planet,epoch,bkjd,sigma_days
b,0,101.0,0.001
b,1,111.001,0.001
b,3,131.0,0.002
b,4,141.002,0.001
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a campaign file and its table, with texts replaced; return the file's path."""

    def _write(*changes: tuple[str, str], table: str = TABLE) -> Path:
        text = CAMPAIGN
        for old, new in changes:
            assert old in text, f"the test replaces what is not there: {old}"
            text = text.replace(old, new, 1)
        path = tmp_path / "tiny.toml"
        path.write_text(text, encoding="utf-8")
        (tmp_path / "tiny.csv").write_text(table, encoding="utf-8")
        return path

    return _write
