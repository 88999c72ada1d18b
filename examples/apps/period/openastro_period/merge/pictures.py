"""The picture of a target: its spectrum, and its light curve folded with its period."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from openastro_period.curves import Floats
from openastro_period.grid import Grid
from openastro_period.merge.fit import model_at
from openastro_period.merge.target import Target

SIZE = (900, 640)
LEFT, RIGHT, TOP, BETWEEN, BOTTOM = 90, 24, 46, 62, 52
"""Pixels around the two panels."""
PAPER, INK, FRAME, MODEL = (255, 255, 255), (30, 30, 30), (150, 150, 150), (30, 30, 30)
COLOURS = ((0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0))
"""Of bands: those of Okabe & Ito (2008), which all eyes tell apart."""
DOT = 2

Box = tuple[int, int, int, int]


def picture(target: Target, grid: Grid, terms: int, *, is_magnitude: bool) -> bytes:
    """Return the picture of a target as PNG."""
    image = Image.new("RGB", SIZE, PAPER)
    draw = ImageDraw.Draw(image)
    height = (SIZE[1] - TOP - BETWEEN - BOTTOM) // 2
    above = (LEFT, TOP, SIZE[0] - RIGHT, TOP + height)
    below = (LEFT, TOP + height + BETWEEN, SIZE[0] - RIGHT, SIZE[1] - BOTTOM)
    error = target.fit.period_error
    stated = f" +- {error:.2g}" if error else ""
    _text(draw, (LEFT, TOP // 2), f"{target.name}: {target.fit.period:.8g}{stated} d", "lm", 18)
    _spectrum(draw, above, target, grid)
    _folded(draw, below, target, terms, is_magnitude=is_magnitude)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _spectrum(draw: ImageDraw.ImageDraw, box: Box, target: Target, grid: Grid) -> None:
    outline = np.array(target.result.outline)
    highest = max(float(outline.max()) * 1.05, 1e-6)
    x = _across(np.linspace(0.0, 1.0, len(outline)), box)
    y = _up(outline / highest, box)
    draw.line(list(zip(x, y, strict=True)), fill=COLOURS[0])
    _frame(draw, box, ("0", f"{highest:.3g}"), "power")
    for part in (0.0, 0.25, 0.5, 0.75, 1.0):
        label = f"{grid.first + part * (grid.last - grid.first):.3g}"
        _text(draw, (box[0] + part * (box[2] - box[0]), box[3] + 12), label, "mm", 13)
    _text(draw, ((box[0] + box[2]) / 2, box[3] + 30), "frequency, 1/d", "mm", 13)


def _folded(
    draw: ImageDraw.ImageDraw, box: Box, target: Target, terms: int, *, is_magnitude: bool
) -> None:
    curve, fit = target.curve, target.fit
    # A few far points shall not flatten the rest.
    low, high = np.percentile(curve.value, [1.0, 99.0])
    margin = 0.15 * (float(high - low) or 1.0)
    low, high = float(low) - margin, float(high) + margin

    def part(values: Floats) -> Floats:
        share = np.clip((values - low) / (high - low), 0.0, 1.0)
        return np.asarray(1.0 - share if is_magnitude else share)

    phase = np.mod((curve.time - curve.time[0]) * fit.frequency, 1.0)
    smooth = np.linspace(0.0, 2.0, 400)
    for number, (name, places) in enumerate(curve.bands()):
        colour = COLOURS[number % len(COLOURS)]
        y = _up(part(curve.value[places]), box)
        for cycle in (0.0, 1.0):
            for at_x, at_y in zip(_across((phase[places] + cycle) / 2, box), y, strict=True):
                draw.ellipse((at_x - DOT, at_y - DOT, at_x + DOT, at_y + DOT), fill=colour)
        model = part(model_at(curve, places, fit.frequency, terms, smooth))
        points = zip(_across(smooth / 2, box), _up(model, box), strict=True)
        draw.line(list(points), fill=MODEL)
        _text(draw, (box[2] - 6, box[1] + 12 + 16 * number), name, "rm", 13, colour)
    ends = (f"{high:.4g}", f"{low:.4g}") if is_magnitude else (f"{low:.4g}", f"{high:.4g}")
    _frame(draw, box, ends, "magnitude" if is_magnitude else "flux")
    for cycles in (0.0, 0.5, 1.0, 1.5, 2.0):
        at = box[0] + cycles / 2 * (box[2] - box[0])
        _text(draw, (at, box[3] + 12), f"{cycles:g}", "mm", 13)
    _text(draw, ((box[0] + box[2]) / 2, box[3] + 32), "phase", "mm", 13)


def _frame(draw: ImageDraw.ImageDraw, box: Box, ends: tuple[str, str], label: str) -> None:
    draw.rectangle(box, outline=FRAME)
    _text(draw, (box[0] - 6, box[3] - 6), ends[0], "rm", 13)
    _text(draw, (box[0] - 6, box[1] + 6), ends[1], "rm", 13)
    _text(draw, (box[0] - 6, (box[1] + box[3]) / 2), label, "rm", 13)


def _across(part: Floats, box: Box) -> list[float]:
    return [float(x) for x in box[0] + part * (box[2] - box[0])]


def _up(part: Floats, box: Box) -> list[float]:
    return [float(y) for y in box[3] - part * (box[3] - box[1])]


def _text(
    draw: ImageDraw.ImageDraw,
    place: tuple[float, float],
    text: str,
    anchor: str,
    size: int,
    fill: tuple[int, int, int] = INK,
) -> None:
    draw.text(place, text, font=ImageFont.load_default(size), anchor=anchor, fill=fill)
