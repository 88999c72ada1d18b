"""Outputs of reprojection: written, read by rows, and refused when they are not whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.images.output import open_reprojection_output, write_reprojection_output
from apps.images.output_frame import (
    NEAR_BLANK,
    FrameHead,
    FramePixels,
    FrameRecord,
    Tiling,
    decode_variance,
    tile_digest,
)
from boinc_project.errors import OutputError
from boinc_project.fits.cards import card
from boinc_project.fits.writing import encode_tile

HEAD = FrameHead("night's \u00e9.fits", 5, 7, 70, 45, 12.5)
TILE = 32
TILING = Tiling(HEAD.nx, HEAD.ny, TILE)


def stored(kind: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    if kind == "steps":
        pixels = np.rint(rng.normal(0, 4, (45, 70))).astype(np.int32)
        pixels[:3, 60:] = NEAR_BLANK
        codes = rng.integers(4000, 4100, (6, 9)).astype(np.int16)
        return pixels, codes
    values = rng.normal(0, 4, (45, 70)).astype(np.float32)
    values[:3, 60:] = np.nan
    return values, np.abs(values)


def record(kind: str, *, with_pixels: bool = True) -> FrameRecord:
    pixels, variance = stored(kind)
    block, method = (8, "RICE_1") if kind == "steps" else (1, "GZIP_2")
    digests, counts, codes, variances = [], [], [], []
    for number in range(TILING.n_tile):
        x, y, nx, ny = TILING.box(number)
        tile = pixels[y : y + ny, x : x + nx]
        part = variance[y // block : -(-(y + ny) // block), x // block : -(-(x + nx) // block)]
        digests.append(np.frombuffer(tile_digest(tile, part), np.uint8))
        holds = tile != NEAR_BLANK if kind == "steps" else ~np.isnan(tile)
        counts.append(int(holds.sum()))
        codes.append(encode_tile(tile, method))
        variances.append(encode_tile(part, method))
    kept = FramePixels(
        step=3.0 if kind == "steps" else None,
        zero=100.0,
        blank=NEAR_BLANK,
        pixels=codes,
        variance=variances,
        cards=[card("CTYPE1", "RA---TAN")],
    )
    return FrameRecord(
        HEAD, np.array(digests), np.array(counts, np.int32), kept if with_pixels else None
    )


def write(path: Path, frame: FrameRecord, **changes: Any) -> Path:
    options = {"app_version": 100, "platform": "p", "app_digest": "", "tile": TILE, **changes}
    write_reprojection_output(path, unit_digest="ab" * 32, frames=[frame], **options)
    return path


@pytest.mark.parametrize("kind", ["steps", "float"])
def test_rows_come_back(tmp_path: Path, kind: str) -> None:
    pixels, variance = stored(kind)
    with open_reprojection_output(write(tmp_path / "o.fits", record(kind))) as output:
        (frame,) = output.frames
        assert (output.unit_digest, output.app_version, output.tile) == ("ab" * 32, 100, TILE)
        assert output.n_pixel == 45 * 70 - 30
        assert (frame.name, frame.x0, frame.y0, frame.nx, frame.ny) == (
            "night?s ?.fits", 5, 7, 70, 45,
        )  # fmt: skip
        assert frame.header.get("CTYPE1") == "RA---TAN"
        for start, stop in ((0, 45), (13, 14), (30, 41), (9, 9)):
            values, spread = frame.rows(start, stop)
            assert values.dtype == spread.dtype == np.float32
            assert values.shape == spread.shape == (stop - start, 70)
            if kind == "float":
                assert np.array_equal(values, pixels[start:stop], equal_nan=True)
                assert np.array_equal(spread, variance[start:stop], equal_nan=True)
                continue
            expected = np.where(pixels == NEAR_BLANK, np.nan, 100.0 + 3.0 * pixels)[start:stop]
            assert np.array_equal(values, expected.astype(np.float32), equal_nan=True)
            wide = np.kron(decode_variance(variance), np.ones((8, 8)))[start:stop, :70]
            wide[np.isnan(values)] = np.nan
            assert np.array_equal(spread, wide.astype(np.float32), equal_nan=True)


def test_digests_are_of_the_tiles_that_are_read(tmp_path: Path) -> None:
    with open_reprojection_output(write(tmp_path / "o.fits", record("steps"))) as output:
        (frame,) = output.frames
        for number in range(frame.tiling.n_tile):
            pixels, variance = frame.tile(number)
            assert tile_digest(pixels, variance) == frame.tile_digests[number].tobytes()
            assert frame.holds(pixels).sum() == frame.counts[number]


def test_an_output_of_digests_agrees_with_one_of_pixels(tmp_path: Path) -> None:
    paths = [
        write(tmp_path / "a.fits", record("steps")),
        write(tmp_path / "b.fits", record("steps", with_pixels=False), platform="q"),
    ]
    digests = []
    for path in paths:
        with open_reprojection_output(path) as output:
            digests.append(output.content_digest)
    assert digests[0] == digests[1]
    assert paths[1].stat().st_size < paths[0].stat().st_size
    with open_reprojection_output(paths[1]) as output:
        assert not output.frames[0].has_pixels
        with pytest.raises(OutputError, match="digests only"):
            output.frames[0].rows(0, 1)


def test_variance_codes_are_coarse_and_exact() -> None:
    codes = np.arange(1, 255 << 7, dtype=np.int16)
    values = decode_variance(codes).astype(np.float64)
    normal = values[128:]
    ratio = normal[1:] / normal[:-1]
    assert (ratio <= 1 + 1 / 128).all()
    assert (ratio >= 1 + 1 / 256).all()
    assert np.isnan(decode_variance(np.zeros(1, np.int16))[0])


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("OAFORMAT=                    2", "OAFORMAT=                    1", "unknown format"),
        ("OANFRAME=                    1", "OANFRAME=                    2", "other parts"),
        ("OASTORED=                    T", "OASTORED=                    F", "other parts"),
        ("OATILE  =                   32", "OATILE  =                   31", "tiles of 31"),
        ("OATILE  =                   32", "OATILE  =                   16", "each tile"),
        ("OANPIX  =                 3120", "OANPIX  =                 3121", "count its pixels"),
        ("ZTILE1  =                   32", "ZTILE1  =                   33", "fill its window"),
        ("BSCALE  =                  3.0", "BSCALE  =                 -3.0", "no size"),
        ("BZERO   =                100.0", "BZERO   =                1E999", "not a number"),
        ("ZTILE1  =                    4", "ZTILE1  =                    3", "variance does not"),
    ],
)
def test_what_does_not_fit_together_is_refused(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = write(tmp_path / "o.fits", record("steps"))
    data = path.read_bytes()
    assert data.count(old.encode()) == 1
    path.write_bytes(data.replace(old.encode(), new.encode()))
    with pytest.raises(OutputError, match=message), open_reprojection_output(path):
        pass


@pytest.mark.parametrize("content", [b"", b"no output", b"SIMPLE  = T".ljust(2880)])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "o.fits"
    path.write_bytes(content)
    with pytest.raises(OutputError), open_reprojection_output(path):
        pass
    with pytest.raises(OutputError, match="no such file"):
        open_reprojection_output(tmp_path / "none.fits").__enter__()
