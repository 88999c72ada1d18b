"""What a picture of the sky is labelled with: north and east, a scale bar, and its centre."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import Any

from PIL import Image, ImageDraw, ImageFont

COLOUR, SHADE = (255, 214, 102), (0, 0, 0)
"""A yellow that is seen on any grey, and its outline."""
ARROW = 0.07
"""Length of the arrow to the north, of the shorter side of the picture."""
LONGEST_BAR = 0.28
"""Length of the scale bar at most, of the width of the picture."""
SIXTIETHS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
THOUSANDTHS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
UNITS = (
    ("mas", 1e-3, THOUSANDTHS), ("arcsec", 1.0, SIXTIETHS), ("arcmin", 60.0, SIXTIETHS),
    ("deg", 3600.0, SIXTIETHS),
)  # fmt: skip
"""Units of scale bars, arcseconds, and the lengths that a bar may have in them."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Where a picture is on the sky.

    Attributes
    ----------
    north, east : tuple[float, float]
        Directions on the picture, of length 1: to the right, and up.
    width : float
        Of the whole picture, arcseconds.
    ra, dec : float
        Of its centre, ICRS, degrees.
    """

    north: tuple[float, float]
    east: tuple[float, float]
    width: float
    ra: float
    dec: float


def draw_marks(drawn: Image.Image, marks: Marks) -> None:
    """Draw the compass at the upper right, the scale bar at the lower left, the centre above."""
    draw = ImageDraw.Draw(drawn)
    side = min(drawn.size)
    edge, size = max(8, side // 40), max(12, side // 36)
    text(draw, (edge, edge), centre_words(marks.ra, marks.dec), anchor="la", size=size,
         most=drawn.width - 5 * round(ARROW * side))  # fmt: skip
    _draw_compass(draw, drawn.width, side, edge, size, marks)
    length, words = scale_bar(marks.width)
    y, right = drawn.height - edge, edge + round(drawn.width * length / marks.width)
    _line(draw, (edge, y), (right, y))
    for x in (edge, right):
        _line(draw, (x, y - edge // 2), (x, y))
    text(draw, ((edge + right) / 2, y - edge // 2 - 2), words, anchor="mb", size=size)


def scale_bar(width: float) -> tuple[float, str]:
    """Return length, arcseconds, and name of the longest scale bar of a picture so wide."""
    most = LONGEST_BAR * width
    length, words = width / 4, f"{width / 4:.2g} arcsec"  # of pictures smaller than any unit
    for name, unit, steps in UNITS:
        for step in steps:
            if step * unit <= most:
                length, words = step * unit, f"{step:g} {name}"
    return length, words


def centre_words(ra: float, dec: float) -> str:
    """Return a place for people: hours and degrees, to a tenth of an arcsecond or so."""
    tenths = round(ra / 15 * 36000) % 864000
    hours, rest = divmod(tenths, 36000)
    minutes, left = divmod(rest, 600)
    arcseconds = round(abs(dec) * 3600)
    degrees, last = divmod(arcseconds, 3600)
    sign = "-" if dec < 0 else "+"
    return (
        f"{hours:02d}h{minutes:02d}m{left / 10:04.1f}s  "
        f"{sign}{degrees:02d}°{last // 60:02d}'{last % 60:02d}\""
    )


@cache
def font(size: int) -> Any:
    """Return the font that comes with the library, in pixels."""
    return ImageFont.load_default(size)


def text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    words: str,
    *,
    anchor: str,
    fill: tuple[int, int, int] = COLOUR,
    size: int = 18,
    most: float = math.inf,
) -> None:
    """Write a line, smaller if it would be longer than `most`; with an outline on a picture."""
    while size > 8 and draw.textlength(words, font=font(size)) > most:
        size -= 1
    outline = 2 if fill == COLOUR else 0
    draw.text(place, words, font=font(size), anchor=anchor, fill=fill, stroke_width=outline,
              stroke_fill=SHADE)  # fmt: skip


def _draw_compass(
    draw: ImageDraw.ImageDraw, width: int, side: int, edge: int, size: int, marks: Marks
) -> None:
    """Draw both arrows into a square at the upper right, wherever they point."""
    length = ARROW * side
    ends = {"N": marks.north, "E": marks.east}
    reach = length + size
    middle = (width - edge - reach, edge + reach)
    # The arrows' middle, so that they stay in their square.
    shift_x = -sum(direction[0] for direction in ends.values()) * length / 2
    shift_y = sum(direction[1] for direction in ends.values()) * length / 2
    start = (middle[0] + shift_x, middle[1] + shift_y)
    for name, (right, up) in ends.items():
        end = (start[0] + right * length, start[1] - up * length)
        _line(draw, start, end)
        for turn in (2.6, -2.6):  # radians: the two sides of the head
            cosine, sine = math.cos(turn), math.sin(turn)
            head = (right * cosine - up * sine, right * sine + up * cosine)
            tip = (end[0] + head[0] * length / 4, end[1] - head[1] * length / 4)
            _line(draw, end, tip)
        label = (end[0] + right * size * 0.8, end[1] - up * size * 0.8)
        text(draw, label, name, anchor="mm", size=size)


def _line(draw: ImageDraw.ImageDraw, start: tuple[float, float], end: tuple[float, float]) -> None:
    draw.line([start, end], fill=SHADE, width=5)
    draw.line([start, end], fill=COLOUR, width=2)
