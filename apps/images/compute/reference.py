"""The independent reference: ``reproject_interp`` of the package reproject, by world coordinates.

For units with ``method = "reproject"``, where astropy and reproject are installed; frozen apps have
neither. It reads the WCS of the frame from the cards of PIXELS and makes no use of the pixel map
but for the area of pixels. It takes far more time and memory, and interpolates bilinearly.
reproject knows no variances: those of the input are interpolated.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.compute.computing import steps_of, tiling_of, window_cards
from apps.images.compute.engine import MARGIN_BEFORE, MARGIN_ROWS, need_kernel
from apps.images.compute.frame import Frame, open_frame
from apps.images.compute.rows import FrameRows
from apps.images.compute.settings import FrameSettings, ReprojectionSettings
from apps.images.compute.tiles import Tile, finish_tile
from boinc_project.errors import ConfigError, UnitError
from boinc_project.fits.cards import Card


def reference_tiles(
    settings: ReprojectionSettings,
    number: int,
    inputs: Mapping[str, Path],
    skip: Callable[[int], bool],
) -> Iterator[Tile]:
    """Yield the tiles of a frame, computed by reproject as a whole.

    Raises
    ------
    ConfigError
        If reproject is not installed here.
    UnitError
        If the frame has no world coordinates.
    """
    reproject_interp, wcs = _libraries()
    frame = settings.frames[number]
    with open_frame(settings, number, inputs) as opened:
        planes = FrameRows(opened, "bilinear").need(-(2**30), 2**30)
        solutions = [
            _wcs(wcs, cards, what)
            for cards, what in (
                (opened.pixels.header.cards, f"The frame {frame.name}"),
                (window_cards(settings, frame), "The unit's grid"),
            )
        ]
        area = _area(opened, frame)
    height, width = planes.height, planes.width
    inner = np.s_[MARGIN_ROWS : MARGIN_ROWS + height, MARGIN_BEFORE : MARGIN_BEFORE + width]
    bad = planes.flags[inner] != 0
    inside = planes.values[inner]
    images = [inside[..., i].astype(np.float64) for i in range(inside.shape[2])]
    if len(images) == 1:
        images.append(np.full((height, width), planes.constant_variance))
    # Fluxes hold their area once, and so do variances of sums; see ``kernel/level.c``.
    factors = (area, area) if settings.conserve_flux else (np.ones_like(area), 1 / area)
    found = []
    for factor, image in zip(factors, images, strict=True):
        image[bad] = np.nan
        warped = reproject_interp(
            (image, solutions[0]),
            solutions[1],
            shape_out=(frame.ny, frame.nx),
            order="bilinear",
            return_footprint=False,
        )
        found.append((warped * factor).astype(np.float32))
    found[1][np.isnan(found[0])] = np.nan
    tiling, steps, level = tiling_of(settings, frame), steps_of(settings, frame), need_kernel()
    for tile in range(tiling.n_tile):
        if not skip(tile):
            x, y, nx, ny = tiling.box(tile)
            values, variance = (np.ascontiguousarray(one[y : y + ny, x : x + nx]) for one in found)
            yield finish_tile(steps, level, tile, values, variance)


def _libraries() -> tuple[Any, Any]:
    try:
        from astropy.wcs import WCS
        from reproject import reproject_interp
    except ImportError:
        raise ConfigError(
            'The unit asks for method = "reproject", which needs the Python packages reproject and '
            "astropy: they are not here. Volunteers' apps never have them: use lanczos3, or "
            "compute this campaign on the server."
        ) from None
    return reproject_interp, WCS


def _wcs(wcs: Any, cards: list[Card], what: str) -> Any:
    from astropy.io.fits import Header

    header = Header.fromstring("".join(card.text for card in cards))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        solution = wcs(header)
    if not solution.has_celestial:
        raise UnitError(
            f'{what} has no world coordinates, which method = "reproject" needs: '
            "the cards of PIXELS have to hold them."
        )
    return solution


def _area(frame: Frame, settings: FrameSettings) -> NDArray[np.float64]:
    """Return the Jacobian of the pixel map by central differences."""
    pixel_map, _ = frame.map_rows(0, settings.ny - 1)
    step, n = pixel_map.step, pixel_map.nodes.shape
    slopes = [np.gradient(pixel_map.nodes[k], float(step)) for k in (0, 1)]
    (xy, xx), (yy, yx) = slopes
    nodes = np.abs(xx * yy - xy * yx)
    rows = (np.arange(settings.ny) / step + 1).clip(0, n[1] - 1)
    columns = (np.arange(settings.nx) / step + 1).clip(0, n[2] - 1)
    along = np.array([np.interp(columns, np.arange(n[2]), row) for row in nodes])
    return np.array([np.interp(rows, np.arange(n[1]), column) for column in along.T]).T
