"""Units of surface brightness, of flux, and of neither."""

from __future__ import annotations

import pytest

from apps.images.plan.sky.brightness import is_brightness


@pytest.mark.parametrize(
    "unit",
    [
        "MJy/sr", "MJy / sr", "MJy sr^-1", "Jy/beam", "JY/BEAM", "mJy/arcsec2", "mJy/arcsec**2",
        "erg/s/cm2/arcsec2", "erg s^-1 cm^-2 arcsec^-2", "1E-20 erg/s/cm2/arcsec2", "K", "K km/s",
        "nW m-2 sr-1", "adu/arcsec^2", "electron/s/arcsec2", "mK",
    ],
)  # fmt: skip
def test_these_are_surface_brightness(unit: str) -> None:
    assert is_brightness(unit) is True


@pytest.mark.parametrize(
    "unit", ["adu", "ADU/s", "counts", "electron/s", "DN/s", "Jy", "uJy", "erg/s/cm2", "Jy/pixel"]
)
def test_these_are_not(unit: str) -> None:
    assert not is_brightness(unit)


@pytest.mark.parametrize("unit", ["", "  ", "???", "nanomaggies of a kind"])
def test_of_these_nothing_is_known(unit: str) -> None:
    assert is_brightness(unit) is None
