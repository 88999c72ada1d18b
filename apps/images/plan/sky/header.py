"""Headers as the world writes them, brought to the letter of the FITS Standard, with remarks.

astropy's `Header` and wcslib read the same cards, each with a parser of its own. Where a card is
not as the standard wants it (a number in quotes, no space behind the equals sign), one of them
understands it and the other takes a default without a word; and wcslib stops at the ``D`` of
``1.5D+02``, which is standard (FITS Standard 4.0, section 4.2.4). So such cards are written anew
before wcslib sees them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from astropy.io.fits import Card, Header
from astropy.io.fits.verify import VerifyError

from apps.images.plan.sky.distortion_words import settle_distortions

__all__ = ["mend_header", "number_of"]

_NUMERIC = re.compile(
    r"(CRVAL|CRPIX|CDELT|CROTA)\d|(CD|PC)\d+_\d+|PC\d{6}|PV\d_\d+|(A|B)_\d+_\d+|LONPOLE|LATPOLE|"
    r"EQUINOX|EPOCH|MJD-OBS|BSCALE|BZERO"
)
_WHOLE = re.compile(r"(A|B|AP|BP)_ORDER|BLANK|WCSAXES")
_TEXTUAL = re.compile(r"CTYPE\d|CUNIT\d|RADESYS|RADECSYS")
_NUMBER = re.compile(
    r"[=\s'\"]*(?P<number>[+-]?(\d+\.?\d*|\.\d+)([EeDd][+-]?\d+)?)\s*"
    r"(deg|degrees?|s|sec|secs|seconds?|e-?/adu|e-?|adu)?[\s'\"]*(/.*)?",
    re.IGNORECASE,
)
_COMMA = re.compile(r"[\s'\"]*[+-]?\d+,\d+[\s'\"]*")
_YEAR = re.compile(r"[\s'\"]*[JB](?=\d)", re.IGNORECASE)
_CELESTIAL = re.compile(r"(RA|DEC|[GE]LON|[GE]LAT)-+([A-Z]{3})(-[A-Z]{3})?")
_DEGREES = frozenset({"DEG", "DEGS", "DEGREE", "DEGREES", "D", "°"})
_SYSTEMS = {
    "J2000": "FK5", "FK5 J2000": "FK5", "FK5/J2000": "FK5", "FK5J2000": "FK5", "ICRF": "ICRS",
    "ICRF2": "ICRS", "ICRF3": "ICRS", "ICRS/J2000": "ICRS", "B1950": "FK4",
}  # fmt: skip


def number_of(value: object) -> float | None:
    """Return the number that a header's value says, in whatever form; None if it says none.

    Parameters
    ----------
    value : object
        As astropy reads it: a number, or a text such as ``'1.5D+02'``, ``'30,5'`` or ``'60.0 s'``.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if not isinstance(value, str):
        return None
    text = value.replace(",", ".") if _COMMA.fullmatch(value) else value
    match = _NUMBER.fullmatch(text)
    return float(re.sub("[dD]", "E", match["number"])) if match else None


def mend_header(header: Header) -> tuple[Header, tuple[str, ...]]:
    """Return a header that astropy and wcslib read alike, and a remark for each thing mended.

    Parameters
    ----------
    header : Header
        As the file has it; it is not changed.
    """
    remarks: dict[str, list[str]] = {}
    cards = _last_of_each(_readable(header.cards, remarks), remarks)
    mended = Header([_mended(card, remarks) for card in cards])
    said = [_SENTENCES[kind].format(_some(names)) for kind, names in remarks.items()]
    return mended, (*said, *settle_distortions(mended), *_contradictions(mended))


_SENTENCES = {
    "exponent": "The exponent D of {} is read as the FITS Standard says; wcslib alone stops there.",
    "text": "Numbers that are written as texts are taken as numbers: {}.",
    "keyword": "Cards without a space behind the equals sign are read all the same: {}.",
    "twice": "Of cards that are there twice, with two values, the last is taken: {}.",
    "word": "Words that are not spelled as the FITS Standard wants are understood: {}.",
    "unreadable": "Cards that are no FITS are taken as texts: {}.",
}


def _readable(cards: Iterable[Card], remarks: dict[str, list[str]]) -> list[Card]:
    """Return cards whose values can be asked for; those of WCS that cannot stay as text."""
    kept = []
    for card in cards:
        try:
            card.value  # noqa: B018 - parsed now
        except (VerifyError, ValueError):
            text = card.image[9:].split("/")[0].strip().strip("'")[:60]
            if _is_wcs(card.keyword.upper()):
                remarks.setdefault("unreadable", []).append(card.keyword)
            card = Card(card.keyword, "".join(c if c.isascii() else "?" for c in text))
        kept.append(card)
    return kept


def _last_of_each(cards: list[Card], remarks: dict[str, list[str]]) -> list[Card]:
    """Drop all but the last of WCS cards of one keyword."""
    last: dict[str, Card] = {}
    for card in cards:
        name = card.keyword.upper()
        if _is_wcs(name):
            if name in last and last[name].value != card.value:
                remarks.setdefault("twice", []).append(name)
            last[name] = card
    return [card for card in cards if last.get(card.keyword.upper(), card) is card]


def _mended(card: Card, remarks: dict[str, list[str]]) -> Card:
    name = card.keyword.upper()
    if not _is_wcs(name):
        return card
    if _TEXTUAL.fullmatch(name):
        return _with_word(card, name, remarks)
    text = card.value if isinstance(card.value, str) else None
    if text is not None and name in ("EQUINOX", "EPOCH"):
        text = _YEAR.sub("", text)
    number = number_of(card.value if text is None else text)
    if number is None:
        return card
    stated = card.image[9:].split("/")[0]
    if isinstance(card.value, str):
        kind = "text" if card.image[10:].lstrip().startswith("'") else "keyword"
    elif "D" in stated.upper():
        kind = "exponent"
    elif card.image[:8].strip() != name:
        kind = "keyword"
    elif _WHOLE.fullmatch(name) and not isinstance(card.value, int):
        kind = ""
    else:
        return card
    if kind:
        remarks.setdefault(kind, []).append(name)
    whole = _WHOLE.fullmatch(name) and number.is_integer()
    return _number_card(name, int(number) if whole else number)


def _with_word(card: Card, name: str, remarks: dict[str, list[str]]) -> Card:
    """Return a card whose word is as the standard spells it."""
    if not isinstance(card.value, str):
        return card
    word = card.value.strip().upper()
    if name.startswith("CTYPE"):
        match = _CELESTIAL.fullmatch(word)
        if match is None:
            return card
        word = match[1].ljust(4, "-") + "-" + match[2] + (match[3] or "")
    elif name.startswith("CUNIT"):
        if word not in _DEGREES or card.value.strip() == "deg":
            return card
        word = "deg"
    else:
        word = _SYSTEMS.get(word, word)
    if word == card.value.strip() and not card.value.startswith(" ") and card.image[:5].isupper():
        return card
    remarks.setdefault("word", []).append(name)
    return Card(name, word)


def _number_card(name: str, number: float) -> Card:
    text = repr(number).upper()
    return Card.fromstring(f"{name:<8}= {text:>20}".ljust(80))


def _is_wcs(name: str) -> bool:
    return any(kind.fullmatch(name) for kind in (_NUMERIC, _WHOLE, _TEXTUAL))


def _some(names: list[str]) -> str:
    kinds = list(dict.fromkeys(names))
    return ", ".join(kinds[:4]) + (f" and {len(kinds) - 4} more" if len(kinds) > 4 else "")


_SAME = 0.01
"""Part of a scale: solvers and cameras round so much."""


def _contradictions(header: Header) -> list[str]:
    """Say which keywords contradict those that are used."""
    return [*_matrices(header), *_systems(header)]


def _matrices(header: Header) -> list[str]:
    cd = [number_of(header.get(f"CD{i}_{j}")) for i in (1, 2) for j in (1, 2)]
    has_cd = any(value is not None for value in cd)
    if any(f"PC{i}_{j}" in header for i in (1, 2) for j in (1, 2)):
        beside = "a CD matrix" if has_cd else "CROTA2" if "CROTA2" in header else ""
        return [f"A PC matrix is beside {beside}; PC is taken, as wcslib does."] if beside else []
    a, b, c, d = (value or 0.0 for value in cd)
    for axis, side in ((1, math.hypot(a, c)), (2, math.hypot(b, d))):
        step = number_of(header.get(f"CDELT{axis}"))
        # Many programs write CDELT = 1 beside a CD matrix, and mean that it is not used.
        if step not in (None, 0.0, 1.0) and has_cd and abs(abs(step or 0.0) - side) > _SAME * side:
            return ["CDELT1 and CDELT2 state another scale than the CD matrix, which is taken."]
    return []


def _systems(header: Header) -> list[str]:
    system = str(header.get("RADESYS", header.get("RADECSYS", ""))).strip().upper()
    equinox = number_of(header.get("EQUINOX", header.get("EPOCH")))
    said = []
    old = str(header.get("RADECSYS", system)).strip().upper()
    if old != system:
        said.append(f"RADECSYS = {old} contradicts RADESYS = {system}, which is taken.")
    if system == "ICRS" and equinox is not None and equinox != 2000.0:
        said.append(f"EQUINOX = {equinox:g} beside RADESYS = ICRS, which has none, is not used.")
    if system.startswith("FK4") and equinox is not None and equinox >= 1984.0:
        said.append(f"EQUINOX = {equinox:g} is odd for RADESYS = {system}; both are used.")
    return said
