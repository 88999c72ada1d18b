"""The text of a catalogue is what astropy would have written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from astropy.table import Table

from apps.images.merge.catalogue import Column, _write_ecsv
from boinc_project.fits.cards import card


def test_rows_are_those_of_astropy(tmp_path: Path) -> None:
    rng = np.random.default_rng(20261130)
    numbers = 10.0 ** rng.uniform(-12, 20, 50) * rng.choice([-1, 1], 50)
    numbers[:3] = np.nan, np.inf, 0.0
    columns = [
        Column("id", "", "a number", np.arange(50, dtype=np.int32)),
        Column("flux", "adu", "a flux", numbers, -7),
        Column("ra", "deg", "an angle", rng.uniform(0, 360, 50), 8),
    ]
    _write_ecsv(tmp_path / "ours.ecsv", columns, [card("APERRAD", 3.0), card("BAND", "R: x")])
    table = Table(meta={"APERRAD": 3.0, "BAND": "R: x"})
    for each in columns:
        table[each.name] = each.rounded
        table[each.name].description = each.description
        if each.unit:
            table[each.name].unit = each.unit
    table.write(tmp_path / "theirs.ecsv", format="ascii.ecsv")
    ours, theirs = ((tmp_path / f"{name}.ecsv").read_text() for name in ("ours", "theirs"))
    assert ours == theirs
