from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from boinc_project.errors import InputError
from work_generator.prices import Prices, load_prices, packaged_text

ROOT = Path(__file__).parents[3]
TEXT = packaged_text()


def line_of(start: str, section: str) -> int:
    """Return the line of a key in a section of the example."""
    lines = TEXT.splitlines()
    first = lines.index(next(one for one in lines if one.startswith(section))) if section else 0
    return next(n for n, one in enumerate(lines[first:], first + 1) if one.startswith(start))


def test_the_example_is_whole_and_says_where_it_comes_from() -> None:
    prices = load_prices()
    assert prices.currency == "EUR"
    for section in (
        prices.cloud_spot,
        prices.cloud_on_demand,
        prices.rented,
        prices.owned,
        prices.volunteers,
    ):
        assert section.origin.source
        assert section.origin.date
    assert prices.cloud_spot.origin.rate == 0.92
    assert prices.rented.origin.rate == 1.0
    assert "EXAMPLES" in TEXT


def test_a_file_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("per_month = 44.41\n", "per_month = 50\n", 1))
    assert load_prices(path).rented.per_month == 50.0


BAD = {
    "negative": ("cloud_spot", "per_core_hour", "-1", "write 0 to 1e12"),
    "not a number": ("owned", "purchase", '"much"', 'must be a number, not "much"'),
    "infinite": ("rented", "per_month", "inf", "must be a finite number"),
    "NaN": ("volunteers", "server_per_month", "nan", "must be a finite number"),
    "beyond all": ("rented", "per_month", "1e13", "out of range"),
    "no cores": ("rented", "cores", "0", "write 1 to 100000"),
    "half a core": ("rented", "cores", "0.5", "whole number"),
    "no life": ("owned", "years", "0", "write 0.1 to 50"),
    "no speed": ("cloud_on_demand", "speed", "0", "write 0.01 to 100"),
    "more than all": ("owned", "utilisation", "1.5", "write 0.01 to 1"),
    "all lost": ("volunteers", "lost", "1.0", "write 0 to 0.9"),
    "a percentage": ("volunteers", "availability", "60", "write 0.01 to 1"),
    "no date": ("owned", "date", '"last year"', 'write for example "2026-11-25"'),
    "no currency": ("owned", "currency", '"euro"', "three capital letters"),
    "no rate": ("owned", "currency", '"GBP"', "write what one costs, GBP ="),
    "a rate of zero": ("rates", "USD", "0", "write 1e-06 to 1e+06"),
}


@pytest.mark.parametrize(("section", "key", "value", "words"), BAD.values(), ids=BAD)
def test_nonsense_is_one_sentence_with_key_and_line(
    tmp_path: Path, section: str, key: str, value: str, words: str
) -> None:
    place = line_of(f"{key} = ", f"[{section}]")
    lines = TEXT.splitlines()
    lines[place - 1] = f"{key} = {value}"
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(lines))
    with pytest.raises(InputError) as caught:
        load_prices(path)
    message = caught.value.message
    assert message.startswith(f"{path}:{place}: [{section}] ")
    assert key in message
    assert words in message
    assert "\n" not in message


def test_what_is_missing_or_unknown_is_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(TEXT.replace("watts = ", "wats = ", 1))
    with pytest.raises(InputError, match="wats is not a known key: did you mean watts"):
        load_prices(path)
    path.write_text(TEXT.replace("purchase = 2500.0\n", "", 1))
    with pytest.raises(InputError, match=r"\[owned\] purchase is missing"):
        load_prices(path)
    path.write_text(TEXT[: TEXT.index("[volunteers]")])
    with pytest.raises(InputError, match="volunteers is missing"):
        load_prices(path)
    with pytest.raises(InputError, match="cannot be read as a price file"):
        load_prices(tmp_path / "no.toml")


def test_every_key_is_explained() -> None:
    page = (ROOT / "docs" / "scientist" / "planning.md").read_text(encoding="utf-8")
    keys = re.findall(r"^([a-z_]+) = ", TEXT, re.MULTILINE)
    assert {field.name for field in fields(Prices)} - set(keys) == {
        "cloud_spot",
        "cloud_on_demand",
        "rented",
        "owned",
        "volunteers",
    }
    for key in keys:
        assert f"`{key}`" in page, key
