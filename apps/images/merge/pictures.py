"""Pictures of an image product: the stack with a stretch that eyes like, and its coverage."""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from apps.images.merge.picture_marks import Marks, draw_marks, font, text

LARGEST = 1000
"""Pixels along the longer side of a picture."""
SMALLEST = 500
"""Pixels along it below which each is drawn as a square of several."""
BLACK = 2.0
"""Standard deviations below the sky at which black begins: the noise is just to be seen."""
SOFT = 4.0
"""Standard deviations over which the stretch is linear; above it is logarithmic."""
WHITE = 99.8
"""Percentile that is white: the cores of the brightest stars only."""
NOTHING = (38, 44, 58)
"""Colour where there is nothing: unlike any grey of the sky."""
COLOURS = (
    (68, 1, 84), (65, 68, 135), (42, 120, 142), (34, 168, 132), (122, 209, 81), (253, 231, 37),
)  # fmt: skip
"""Of viridis (van der Walt & Smith 2015), which is even for all eyes; between them it is linear."""
PAPER, INK = (255, 255, 255), (30, 30, 30)
EDGE, BAR, LEGEND = 24, 18, 70
"""Pixels of a plot: around its picture, of the bar of colours, and of the bar with its numbers."""

_FEW = 7
"""Columns up to which adding slices is the faster way."""

Floats = NDArray[np.float64]


def shrink(pieces: Iterable[NDArray[Any]], nx: int, ny: int) -> Floats:
    """Return the means of squares of pixels, so many that `LARGEST` is not exceeded; NaN: nothing.

    Parameters
    ----------
    pieces : iterable of ndarray
        Rows of the plane in order, each piece (n, nx).
    nx, ny : int
        Its size.
    """
    side = max(1, -(-max(nx, ny) // LARGEST))
    shape = (-(-ny // side), -(-nx // side))
    total, count = np.zeros(shape), np.zeros(shape)
    columns = np.arange(0, nx, side)
    row = 0
    for piece in pieces:
        there = np.isfinite(piece)
        values = np.where(there, piece, 0.0)
        for plane, pixels in ((total, values), (count, there)):
            sums = _sums(pixels, side, columns)
            for number, of_row in enumerate(sums, row):
                plane[number // side] += of_row
        row += len(piece)
    return np.divide(total, count, out=np.full(shape, np.nan), where=count > 0)


def _sums(pixels: NDArray[Any], side: int, columns: NDArray[np.int64]) -> Floats:
    """Return the sums of each `side` columns, added in order; the last ones may be fewer."""
    if side > _FEW:
        return np.asarray(np.add.reduceat(pixels, columns, axis=1, dtype=np.float64))
    sums = pixels[:, ::side].astype(np.float64)
    for shift in range(1, side):
        more = pixels[:, shift::side]
        sums[:, : more.shape[1]] += more
    return sums


def stretch(image: Floats) -> NDArray[np.uint8]:
    """Return RGB, uint8 (ny, nx, 3): sky and noise dark, faint things visible, stars not burnt out.

    The inverse hyperbolic sine of Lupton et al. (2004), PASP 116, 133, its softening taken from
    the image's own noise.
    """
    there = np.isfinite(image)
    rgb = np.empty((*image.shape, 3), np.uint8)
    rgb[:] = NOTHING
    if not there.any():
        return rgb
    values = image[there]
    sky = float(np.median(values))
    noise = 1.4826 * float(np.median(np.abs(values - sky))) or float(np.ptp(values)) or 1.0
    black = sky - BLACK * noise
    white = max(float(np.percentile(values, WHITE)), sky + 2 * SOFT * noise)
    soft = SOFT * noise
    part = np.arcsinh((values - black) / soft) / np.arcsinh((white - black) / soft)
    rgb[there] = np.round(255 * np.clip(part, 0.0, 1.0)).astype(np.uint8)[:, np.newaxis]
    return rgb


def picture(rgb: NDArray[np.uint8]) -> Image.Image:
    """Return a picture, the first row at the bottom, as FITS images are shown."""
    return Image.fromarray(np.ascontiguousarray(rgb[::-1]), "RGB")


def png(rgb: NDArray[np.uint8]) -> bytes:
    """Return a picture as PNG, the first row at the bottom, as FITS images are shown."""
    return saved(picture(rgb))


def saved(drawn: Image.Image) -> bytes:
    """Return a picture that is drawn as PNG."""
    stream = io.BytesIO()
    drawn.save(stream, "PNG")
    return stream.getvalue()


def preview(image: Floats, marks: Marks | None = None) -> bytes:
    """Return a shrunk stack as PNG; `marks` say where on the sky it is."""
    return marked(stretch(image), marks)


def marked(rgb: NDArray[np.uint8], marks: Marks | None) -> bytes:
    """Return a picture as PNG, enlarged if it is small, and labelled."""
    drawn = _enlarged(picture(rgb))
    if marks is not None:
        draw_marks(drawn, marks)
    return saved(drawn)


def coverage_plot(count: Floats, title: str, size: tuple[int, int]) -> bytes:
    """Return a plot of how many frames each pixel is made of, as PNG.

    Parameters
    ----------
    count : ndarray
        Shrunk counts; NaN or 0 where there is nothing.
    title : str
        The campaign's.
    size : tuple[int, int]
        Columns and rows of the grid, pixels.
    """
    most = max(1.0, float(np.nanmax(count, initial=0.0)))
    there = np.isfinite(count) & (count > 0)
    rgb = np.empty((*count.shape, 3), np.uint8)
    rgb[:] = NOTHING
    rgb[there] = _coloured(count[there] / most)
    shown = _enlarged(picture(rgb))
    plot = Image.new("RGB", (shown.width + 2 * EDGE + LEGEND, shown.height + 3 * EDGE), PAPER)
    plot.paste(shown, (EDGE, 2 * EDGE))
    bar = _coloured(np.linspace(0, 1, shown.height))[:, np.newaxis].repeat(BAR, axis=1)
    left = shown.width + 2 * EDGE
    plot.paste(picture(bar), (left, 2 * EDGE))
    draw = ImageDraw.Draw(plot)
    wide = plot.width - 2 * EDGE
    text(draw, (EDGE, EDGE), title, anchor="lm", fill=INK, most=wide)
    below = f"frames in the mean of each pixel; {size[0]} x {size[1]} pixels"
    text(draw, (EDGE, plot.height - EDGE // 2), below, anchor="lm", fill=INK, most=wide, size=14)
    for value in sorted({0, round(most / 2), round(most)}):
        y = 2 * EDGE + round((shown.height - 1) * (1 - value / most))
        draw.line([(left + BAR, y), (left + BAR + 5, y)], fill=INK)
        draw.text((left + BAR + 9, y), str(value), font=font(14), anchor="lm", fill=INK)
    return saved(plot)


def _enlarged(drawn: Image.Image) -> Image.Image:
    times = max(1, -(-SMALLEST // max(drawn.size)))
    return drawn.resize((drawn.width * times, drawn.height * times), Image.Resampling.NEAREST)


def _coloured(part: Floats) -> NDArray[np.uint8]:
    """Return colours of numbers from 0 to 1, uint8 (..., 3)."""
    at = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(part, at, [colour[place] for colour in COLOURS]) for place in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
