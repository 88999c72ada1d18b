"""The headers of an image product: all that programs ask an image for.

Cards of the observation stand in the primary header and in that of the image, because some programs
read only the first and some only the second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apps.images.merge.observation import StackObservation
from apps.images.merge.zero_point import ZeroPoint
from boinc_project import __version__
from boinc_project.fits.cards import Card, Value, card, parse_card

MJD_ZERO = datetime(1858, 11, 17, tzinfo=UTC)
MOST_TEXT = 60
"""Characters of a text, so that a comment has room beside it."""
MOST_HISTORY = 1000
"""Frames that the header names; ``provenance.json`` names all."""
UNKNOWN_UNIT = "adu"
"""Unit of pixels of which no frame says any: a camera's numbers."""
_LINE = 72
"""Characters of a line of ``HISTORY``."""


@dataclass(frozen=True, slots=True)
class StackedFrame:
    """What the header says of one frame: its name, flux scale and share of the weights."""

    name: str
    scale: float
    share: float


@dataclass(frozen=True, slots=True)
class ImageHeaders:
    """The cards of a product's files.

    Attributes
    ----------
    product : sequence of Card
        Of every file's primary header: which product it is.
    observation : sequence of Card
        Of the primary headers, and of the image's: see `observation_cards`.
    history : sequence of Card
        Of the image's primary header: the frames.
    grid : sequence of Card
        World coordinates, of every plane.
    seen : StackObservation
        For the units of planes.
    """

    product: Sequence[Card]
    observation: Sequence[Card]
    history: Sequence[Card]
    grid: Sequence[Card]
    seen: StackObservation

    def of_plane(self, name: str) -> list[Card]:
        """Return the cards of a plane's extension."""
        powers = {"image": 1, "weight": -2, "variance": 2}
        unit = [unit_card(self.seen, powers[name])] if name in powers else []
        if name == "image":
            return [*unit, *self.grid, *self.observation]
        return [*unit, *self.grid]


def grid_cards(texts: Iterable[str]) -> list[Card]:
    """Return the world coordinates of a grid, with the frame that the standard implies if need be.

    Without ``RADESYS`` the frame is the ICRS, or the FK5 or FK4 of an ``EQUINOX`` (FITS Standard
    4.0, section 8.3); many programs do not look it up there.
    """
    cards = [parse_card(text) for text in texts]
    values = {each.keyword: each.value for each in cards}
    equatorial = str(values.get("CTYPE1", ""))[:4] in ("RA--", "DEC-")
    if "RADESYS" in values or not equatorial:
        return cards
    equinox = values.get("EQUINOX")
    system = "ICRS"
    if isinstance(equinox, int | float) and not isinstance(equinox, bool):
        system = "FK5" if equinox >= 1984.0 else "FK4"
    return [*cards, card("RADESYS", system)]


def observation_cards(seen: StackObservation, zero_point: ZeroPoint | None) -> list[Card]:
    """Return the cards that say when, of what and with what a stack was taken, and its fluxes."""
    stated: list[tuple[str, Value | None, str]] = [
        ("OBJECT", _plain(seen.object) or None, ""),
        ("TELESCOP", _plain(seen.telescope) or None, ""),
        ("INSTRUME", _plain(seen.instrument) or None, ""),
        ("FILTER", _plain(seen.filter) or None, ""),
        ("TIMESYS", None if seen.begin is None else "UTC", ""),
        ("DATE-OBS", _date(seen.begin), "first exposure's beginning"),
        ("DATE-BEG", _date(seen.begin), "first exposure's beginning"),
        ("DATE-AVG", _date(seen.middle), "weighted mean of the middles"),
        ("DATE-END", _date(seen.end), "last exposure's end"),
        ("MJD-OBS", _day(seen.begin), "d, first exposure's beginning"),
        ("MJD-AVG", _day(seen.middle), "d, weighted mean of the middles"),
        ("MJD-END", _day(seen.end), "d, last exposure's end"),
        ("EXPTIME", seen.exposure, "s, effective: flux over it is a rate"),
        ("TEXPTIME", seen.total_exposure or None, "s, sum over all frames"),
        ("GAIN", seen.gain, "electrons a unit, effective"),
        ("SATURATE", seen.saturation, "level of the first saturated frame"),
    ]
    return [
        *(card(name, value, comment) for name, value, comment in stated if value is not None),
        *_zero_point_cards(zero_point),
    ]


def unit_card(seen: StackObservation, power: int = 1) -> Card:
    """Return the card of a pixel's unit: that of the reference, or a power of it."""
    unit = _plain(seen.unit) or UNKNOWN_UNIT
    if power != 1:
        simple = unit.replace("_", "").isalnum()
        unit = f"{unit if simple else f'({unit})'}**{power}"
    return card("BUNIT", unit, "" if seen.unit else "assumed: no frame says")


def product_cards(campaign: str, digest: str, n_frame: int, created_at: datetime) -> list[Card]:
    """Return the cards that every file of a product begins with."""
    return [
        card("OACAMPGN", campaign, "campaign"),
        card("OADIGEST", digest, "of all planes"),
        card("OANFRAME", n_frame, "frames"),
        card("CREATOR", f"OpenAstro@home {__version__}"),
        card("DATE", created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"), "written, UTC"),
    ]


def history_cards(frames: Sequence[StackedFrame]) -> Iterator[Card]:
    """Yield lines that name the frames, their flux scales and their shares of the weights."""
    yield card("HISTORY", f"Weighted mean of {len(frames)} frames: flux scale, weight, name.")
    for frame in frames[:MOST_HISTORY]:
        yield card("HISTORY", f"{frame.scale:.5g} {frame.share:.4f} {_plain(frame.name)}"[:_LINE])
    if len(frames) > MOST_HISTORY:
        left = len(frames) - MOST_HISTORY
        yield card("HISTORY", f"And {left} more; provenance.json names all.")


def date_text(mjd: float) -> str:
    """Return a modified Julian date in the form of FITS, to the millisecond."""
    moment = MJD_ZERO + timedelta(days=mjd, microseconds=500)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}"


def _zero_point_cards(zero_point: ZeroPoint | None) -> list[Card]:
    if zero_point is None:
        return []
    return [
        card("MAGZP", round(zero_point.value, 5), "mag of a flux of 1 in an aperture"),
        card("MAGZPUNC", round(zero_point.error, 5), "mag, its standard error"),
        card("MAGZPRMS", round(zero_point.scatter, 5), "mag, scatter of the stars"),
        card("MAGZPNST", zero_point.n_star, "stars"),
        card("MAGZPBND", _plain(zero_point.band) or "unknown", "band of the magnitudes"),
        card("MAGZPRAD", round(zero_point.radius, 3), "px, radius of the aperture"),
    ]


def _date(mjd: float | None) -> str | None:
    return None if mjd is None else date_text(mjd)


def _day(mjd: float | None) -> float | None:
    # Eight decimals of a day are a millisecond, as the dates have.
    return None if mjd is None else round(mjd, 8)


def _plain(text: str) -> str:
    """Return a text that fits on a card with a comment."""
    plain = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in text)
    return plain.strip()[:MOST_TEXT]
