"""The page about campaigns of images: what it says is what there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from apps.images.application import Reprojection
from apps.images.plan.campaign_file import CALIBRATION, IMAGE_KEYS
from apps.images.plan.choices import BACKGROUNDS, COADD_FLUX, FLUX, METHODS, OUTPUTS
from apps.images.plan.image_list import PLANES
from tests.unit.apps.images.plan.image_campaign import write_field
from tests.unit.apps.images.plan.sky.headers import sky, tan, write
from work_generator.campaign_file import load_campaign

ROOT = Path(__file__).parents[5]
PAGE = (ROOT / "docs" / "scientist" / "images.md").read_text(encoding="utf-8")


def whole_file() -> str:
    (found,) = re.findall(r"## A whole file\n\n```toml\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


def test_the_whole_file_loads(tmp_path: Path) -> None:
    write_field(tmp_path / "other-telescope", 2, FILTER2="r")
    for path in list((tmp_path / "other-telescope").iterdir()):
        path.rename(path.with_name(path.name.replace("frame", "x_ooi_")))
    (tmp_path / "night").mkdir()
    write(tmp_path / "night" / "n_ooi_1.fits", sky(), tan(FILTER2="r"))
    for path in list(tmp_path.glob("*/*_ooi_*.fits")):
        path.with_name(path.name.replace("_ooi_", "_oow_")).write_bytes(path.read_bytes())
    for name in CALIBRATION:
        write(tmp_path / f"master-{name}.fits", sky(), tan())
    text = whole_file().replace('extension = "SCI"', "extension = 0")
    text = text.replace('{ extension = "DQ" }', "{ extension = 0 }").replace("/*.fits", "/*_ooi_*")
    text = text.replace('"other-telescope"', '"other-telescope/*_ooi_*"')
    text = text.replace('"best.fits"', '"n_ooi_1.fits"')
    path = tmp_path / "virgo-night.toml"
    path.write_text(text, encoding="utf-8")
    campaign = load_campaign(path)
    assert len(campaign.settings["images"]) == 3
    assert campaign.settings["coadd"]["reference"] == "n_ooi_1.fits"


@pytest.mark.parametrize(
    "word",
    [
        *Reprojection.sections,
        *IMAGE_KEYS,
        *PLANES,
        *METHODS,
        *FLUX,
        *OUTPUTS,
        *BACKGROUNDS,
        *COADD_FLUX,
    ],
)
def test_every_key_and_choice_is_in_the_page(word: str) -> None:
    assert re.search(rf"\b{word}\b", PAGE)
