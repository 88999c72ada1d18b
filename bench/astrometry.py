"""Headers that are off by known amounts, and how far off they are afterwards, beside SCAMP.

Each scene is a night of frames of known stars, whose headers are off by a shift or a turn. Both
programs are given the true places of the stars (``astrometry = "catalogue"`` here, there
``ASTREF_CATALOG FILE`` with the catalogues of SExtractor). The coordinates that they give frames
are compared with the true ones in 81 places of each.

    python bench/astrometry.py [--markdown]
    python bench/astrometry.py --right 4000 [--markdown]
    python bench/astrometry.py --sides 2048 6500 [--markdown]

The last line of the first is JSON: the worst error of a frame in milliarcseconds, ours and
SCAMP's, frames that were moved although their headers are right, and CPU seconds a frame.
``--right N`` simulates star lists of frames whose headers are right, N for each number of stars
and scatter, and says how many frames are moved (4 CPU minutes for 4000). ``--sides`` says how many
CPU seconds it takes to find the stars of one frame of so many pixels a side and to match them.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from apps.images.plan.astrometry import CATALOGUE, refine
from apps.images.plan.calibration import Masters
from apps.images.plan.pack import image_of
from apps.images.plan.sky.displacement import places
from apps.images.plan.sky.reference import cards_of
from apps.images.plan.sky.solution import Solution, make_solution
from bench.programs import measured, program
from bench.tables import show
from bench.truth.sky import Exposure, Stars, header, take
from bench.truth.star_lists import N_STARS, SCATTERS, moved_although_right

SIDE = 1024
N_FRAME = 6
Doubles = NDArray[np.float64]
SEXTRACTOR = (
    "NUMBER", "XWIN_IMAGE", "YWIN_IMAGE", "ERRAWIN_IMAGE", "ERRBWIN_IMAGE", "ERRTHETAWIN_IMAGE",
    "FLUX_AUTO", "FLUXERR_AUTO", "FLAGS", "FLUX_RADIUS", "SNR_WIN",
)  # fmt: skip


@dataclass(frozen=True)
class Night:
    """A scene: errors of its headers, arcseconds and degrees, and its stars."""

    name: str
    shift: float = 0.0
    turn: float = 0.0
    fwhm: float = 3.0
    n_star: int = 400


NIGHTS = (
    Night("right"),
    Night('0.3"', shift=0.3),
    Night('2"', shift=2.0),
    Night("0.01 degrees", turn=0.01),
    Night('0.3", FWHM 1.2"', shift=0.3, fwhm=1.2),
    Night('0.3", 20 stars', shift=0.3, n_star=20),
)


@dataclass(frozen=True)
class Result:
    """Errors of a night's worst frame, milliarcseconds; frames moved; CPU seconds a frame."""

    before: float
    after: float
    n_moved: int
    seconds: float
    peer: float | None
    peer_seconds: float | None

    def cells(self) -> list[str]:
        """Return the cells of a row; a dash where there is no SCAMP."""
        return [
            f"{self.before:.1f}", f"{self.after:.1f}", str(self.n_moved),
            "-" if self.peer is None else f"{self.peer:.1f}", f"{self.seconds:.3f}",
            "-" if self.peer_seconds is None else f"{self.peer_seconds:.3f}",
        ]  # fmt: skip


def write(night: Night, directory: Path) -> tuple[Stars, list[fits.Header]]:
    """Write a night's frames with headers that are off; return the stars and the true headers."""
    rng = np.random.default_rng(8)
    stars = Stars.of(1.1 * SIDE, night.n_star, rng)
    true = []
    for number in range(N_FRAME):
        how = Exposure(shift=tuple(rng.uniform(-30, 30, 2)), fwhm=night.fwhm)
        path = directory / f"{number}.fits"
        taken = take(path, stars, how, SIDE, rng)
        off = night.shift * rng.normal(size=2)
        stated = header(
            SIDE, 1.0, night.turn * rng.normal(), (how.shift[0] + off[0], how.shift[1] + off[1])
        )
        with fits.open(path) as hdus:
            data = hdus["SCI"].data
        fits.PrimaryHDU(data, stated).writeto(path, overwrite=True)
        true.append(taken.header)
    return stars, true


def write_catalogue(path: Path, stars: Stars) -> None:
    """Write stars in the form that SCAMP reads: a table behind one that holds a header."""
    text = header(SIDE, 1.0).tostring(endcard=True, padding=True)
    column = fits.Column(name="Field Header Card", format=f"{len(text)}A", array=np.array([text]))
    head = fits.BinTableHDU.from_columns([column], name="LDAC_IMHEAD")
    head.header["TDIM1"] = f"(80, {len(text) // 80})"
    count = len(stars.ra)
    small, magnitudes = np.full(count, 1e-8), 20 - 2.5 * np.log10(stars.flux / 1e3)
    columns = [
        fits.Column(name=name, format=form, unit=unit, array=values)
        for name, form, unit, values in (
            ("X_WORLD", "1D", "deg", stars.ra), ("Y_WORLD", "1D", "deg", stars.dec),
            ("ERRA_WORLD", "1E", "deg", small), ("ERRB_WORLD", "1E", "deg", small),
            ("ERRTHETA_WORLD", "1E", "deg", np.zeros(count)), ("MAG", "1E", "mag", magnitudes),
            ("MAGERR", "1E", "mag", np.full(count, 0.01)),
            ("OBSDATE", "1D", "yr", np.full(count, 2000.0)),
        )
    ]  # fmt: skip
    objects = fits.BinTableHDU.from_columns(columns, name="LDAC_OBJECTS")
    fits.HDUList([fits.PrimaryHDU(), head, objects]).writeto(path)


def ours(
    directory: Path, stars: Stars, n_frame: int = N_FRAME, side: int = SIDE
) -> tuple[list[Solution], int, float]:
    """Return refined coordinates, how many are other than the header's, and CPU seconds a frame."""
    grid, nx, ny = header(side, 1.0), side, side
    settings = {
        "astrometry": CATALOGUE, "method": "lanczos3", "blank": None, "ccd": {},
        "grid": {"nx": nx, "ny": ny, "cards": cards_of(grid)},
    }  # fmt: skip
    images = [
        {"path": str(directory / f"{number}.fits"), "hdu": 0, "name": f"{number}.fits"}
        for number in range(n_frame)
    ]
    order = np.argsort(-stars.flux)
    table = {"ra": stars.ra[order].tolist(), "dec": stars.dec[order].tolist()}
    start = time.process_time()
    astrometry = refine(images, settings, Masters(), json.dumps(table).encode(), lambda: None)
    seconds = time.process_time() - start
    solutions = [astrometry.solution(stated, image_of(stated)) for stated in images]
    n_moved = sum(solution.displacement is not None for solution in solutions)
    return solutions, n_moved, seconds / n_frame


def scamp(directory: Path, extractor: str, solver: str) -> tuple[list[Solution], float]:
    """Return the coordinates that SCAMP gives the frames, and CPU seconds of both programs."""
    (directory / "p.param").write_text("\n".join(SEXTRACTOR) + "\n")
    seconds, names = 0.0, []
    for number in range(N_FRAME):
        command = [
            extractor, f"{number}.fits", "-CATALOG_NAME", f"{number}.ldac", "-CATALOG_TYPE",
            "FITS_LDAC", "-PARAMETERS_NAME", "p.param", "-FILTER", "N", "-DETECT_THRESH", "5",
            "-SATUR_LEVEL", "1e9", "-VERBOSE_TYPE", "QUIET",
        ]  # fmt: skip
        seconds += measured(command, directory)[0]
        names.append(f"{number}.ldac")
    keys = ("ERRA_WORLD", "ERRB_WORLD", "ERRTHETA_WORLD")
    # Its search for large shifts takes a minute; what it is given is within its matching radius.
    command = [
        solver, *names, "-ASTREF_CATALOG", "FILE", "-ASTREFCAT_NAME", "stars.cat",
        "-ASTREFCENT_KEYS", "X_WORLD,Y_WORLD", "-ASTREFERR_KEYS", ",".join(keys),
        "-ASTREFMAG_KEY", "MAG", "-ASTREFMAGERR_KEY", "MAGERR", "-ASTREFOBSDATE_KEY", "OBSDATE",
        "-SOLVE_PHOTOM", "N", "-CHECKPLOT_TYPE", "NONE", "-DISTORT_DEGREES", "1", "-MATCH", "N",
        "-CROSSID_RADIUS", "8", "-VERBOSE_TYPE", "QUIET", "-WRITE_XML", "N", "-NTHREADS", "1",
    ]  # fmt: skip
    seconds += measured(command, directory)[0]
    solutions = []
    for number in range(N_FRAME):
        lines = (directory / f"{number}.head").read_text().splitlines()
        # SCAMP's own words may have letters that FITS has not.
        cards = [line for line in lines if not line.startswith(("HISTORY", "COMMENT", "END"))]
        head = fits.Header.fromstring("\n".join(cards), sep="\n")
        solutions.append(make_solution(head, SIDE, SIDE, f"{number}.head"))
    return solutions, seconds / N_FRAME


def errors_of(solutions: Sequence[Solution], true: Sequence[fits.Header]) -> list[float]:
    """Return the root mean square error of each frame, milliarcseconds."""
    x, y = places(SIDE, SIDE)
    off = []
    for solution, head in zip(solutions, true, strict=True):
        ra, dec = WCS(head).all_pix2world(x, y, 0)
        there_ra, there_dec = solution.sky(x, y)
        east = (there_ra - ra) * np.cos(np.radians(dec))
        off.append(3.6e6 * np.column_stack([east, there_dec - dec]))
    return [math.sqrt(float((frame**2).sum(axis=1).mean())) for frame in off]


def compared(night: Night, extractor: str | None, solver: str | None) -> Result:
    """Return how far off a night's frames are before and after, and what that takes."""
    with tempfile.TemporaryDirectory(prefix="openastro-astrometry-") as name:
        directory = Path(name)
        stars, true = write(night, directory)
        write_catalogue(directory / "stars.cat", stars)
        headers = [
            make_solution(fits.getheader(directory / f"{number}.fits"), SIDE, SIDE, "header")
            for number in range(N_FRAME)
        ]
        solutions, n_moved, seconds = ours(directory, stars)
        peer, peer_seconds = None, None
        if extractor and solver:
            theirs, peer_seconds = scamp(directory, extractor, solver)
            peer = max(errors_of(theirs, true))
    before, after = max(errors_of(headers, true)), max(errors_of(solutions, true))
    return Result(before, after, n_moved, seconds, peer, peer_seconds)


def nights(*, markdown: bool) -> None:
    """Print what becomes of headers that are off, and the worst of it."""
    extractor, solver = program("source-extractor", "source-extractor"), program("scamp", "scamp")
    results = {night: compared(night, extractor, solver) for night in NIGHTS}
    rows = [[night.name, *result.cells()] for night, result in results.items()]
    columns = [
        "headers off by", "error before, mas", "after", "frames moved", "SCAMP", "CPU s", "SCAMP",
    ]  # fmt: skip
    show(f"Worst of {N_FRAME} frames of {SIDE} pixels", columns, rows, markdown=markdown)
    print(json.dumps({
        "worst_mas": max(result.after for result in results.values()),
        "worst_mas_scamp": max(
            (result.peer for result in results.values() if result.peer is not None), default=None
        ),
        "moved_although_right": sum(
            result.n_moved for night, result in results.items() if not (night.shift or night.turn)
        ),
        "seconds": float(np.median([result.seconds for result in results.values()])),
    }))  # fmt: skip


def right_headers(n_frame: int, *, markdown: bool) -> None:
    """Print how many of `n_frame` frames with right headers are moved, by stars and scatter."""
    n_moved = np.array(
        [[moved_although_right(n, scatter, n_frame, 1) for scatter in SCATTERS] for n in N_STARS]
    )
    rows = [
        [str(n), *(str(count) for count in counts)]
        for n, counts in zip(N_STARS, n_moved, strict=True)
    ]
    columns = ["stars", *(f"scatter {scatter:g} pixels" for scatter in SCATTERS)]
    show(f"Moved of {n_frame} frames whose headers are right", columns, rows, markdown=markdown)
    total = n_frame * n_moved.size
    print(json.dumps({"moved": int(n_moved.sum()), "of": total, "rate": n_moved.sum() / total}))


def speeds(sides: Sequence[int], *, markdown: bool) -> None:
    """Print CPU seconds for frames of several sizes."""
    rows = []
    for side in sides:
        rng = np.random.default_rng(8)
        stars = Stars.of(side, 400, rng, apart=0.0)
        with tempfile.TemporaryDirectory(prefix="openastro-astrometry-") as name:
            path = Path(name) / "0.fits"
            taken = take(path, stars, Exposure(), side, rng)
            data = fits.getdata(path, "SCI")
            fits.PrimaryHDU(data, taken.header).writeto(path, overwrite=True)
            _, _, seconds = ours(Path(name), stars, n_frame=1, side=side)
        rows.append([f"{side} x {side}", f"{seconds:.2f}"])
    show("One frame", ["pixels", "CPU s"], rows, markdown=markdown)


def main() -> None:
    """Print the tables that are asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--markdown", action="store_true")
    parser.add_argument("--right", type=int, metavar="N", help="frames of each kind")
    parser.add_argument("--sides", type=int, nargs="+", metavar="SIDE", help="pixels")
    asked = parser.parse_args()
    if asked.right:
        right_headers(asked.right, markdown=asked.markdown)
    if asked.sides:
        speeds(asked.sides, markdown=asked.markdown)
    if not (asked.right or asked.sides):
        nights(markdown=asked.markdown)


if __name__ == "__main__":
    main()
