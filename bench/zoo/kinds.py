"""The kinds of systems of the zoo.

A kind is a region of systems, and the campaign's priors are that region: true parameters are drawn
from them, so that simulation-based calibration is exact. Which transits are measured is fixed by
the kind and never by the true parameters, because a table whose length tells the period would hold
information that the likelihood does not have.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

EPOCH = 100.0
"""Epoch of the elements, BKJD days."""
MINUTE = 1.0 / 1440.0

Stated = Mapping[str, object]
"""A fixed value, or a prior with its numbers, as a campaign file has them."""


@dataclass(frozen=True, slots=True)
class Planet:
    """One planet of a kind.

    Attributes
    ----------
    name : str
        Its name.
    stated : Mapping[str, Stated]
        By the keys of a campaign file, units left out.
    epochs : tuple[int, ...]
        Numbers of the measured transits, 0 at t0; none if the planet is unseen.
    sigmas : tuple[float, ...]
        Standard errors, days, in turn.
    """

    name: str
    stated: Mapping[str, Stated]
    epochs: tuple[int, ...]
    sigmas: tuple[float, ...] = (MINUTE,)

    @property
    def observed(self) -> bool:
        """Whether the table has transits of it."""
        return bool(self.epochs)


@dataclass(frozen=True, slots=True)
class Kind:
    """A region of systems, and how their transits are measured.

    Attributes
    ----------
    name, title : str
        For files and for people.
    planets : tuple[Planet, ...]
        In any order.
    star_mass : float
        Solar masses.
    noise : Stated
        Section ``[noise]`` of the file; empty if there is none.
    scatter : float
        True scatter over the stated errors; 1 if the noise model is right.
    n_outlier : int
        Transits that are off by far more than their errors.
    app : str
        The application.
    sections : str
        More sections of the file, as text.
    """

    name: str
    title: str
    planets: tuple[Planet, ...]
    star_mass: float = 1.0
    noise: Stated | None = None
    scatter: float = 1.0
    n_outlier: int = 0
    app: str = "ttv_mcmc"
    sections: str = ""

    @property
    def violated(self) -> bool:
        """Whether the data do not follow the noise model, so that no model describes them."""
        return self.scatter != 1.0 or self.n_outlier > 0


def uniform(low: float, high: float) -> Stated:
    return {"prior": "uniform", "low": low, "high": high}


def log_uniform(low: float, high: float) -> Stated:
    return {"prior": "log_uniform", "low": low, "high": high}


def normal(mean: float, sigma: float) -> Stated:
    return {"prior": "normal", "mean": mean, "sigma": sigma}


def rayleigh(sigma: float) -> Stated:
    return {"prior": "rayleigh", "sigma": sigma}


def _planet(
    name: str,
    period: Stated,
    t0: Stated,
    mass: Stated,
    eccentricity: Stated,
    epochs: int | tuple[int, ...],
    *sigmas: float,
    **angles: Stated,
) -> Planet:
    stated = {"mass": mass, "period": period, "eccentricity": eccentricity, "t0": t0, **angles}
    chosen = tuple(range(epochs)) if isinstance(epochs, int) else epochs
    return Planet(name, stated, chosen, sigmas or (MINUTE,))


def _near(value: float, half: float) -> Stated:
    return uniform(round(value - half, 6), round(value + half, 6))


def _pair(
    outer: float,
    masses: Stated,
    eccentricities: Stated,
    n_transit: tuple[int, int],
    *sigmas: float,
) -> tuple[Planet, Planet]:
    """Return a planet of ten days and one of `outer` days, both seen."""
    return (
        _planet(
            "b", _near(10, 0.05), _near(105, 0.2), masses, eccentricities, n_transit[0], *sigmas
        ),
        _planet(
            "c", _near(outer, 0.1), _near(108, 0.2), masses, eccentricities, n_transit[1], *sigmas
        ),
    )


_EASY = _pair(20.3, uniform(5, 40), rayleigh(0.03), (40, 20), 1e-3)
_FIVE_MASS, _FIVE_E = log_uniform(0.1, 300), uniform(0, 0.2)
_FIVE = (
    _planet("b", _near(10, 0.1), _near(105, 0.2), _FIVE_MASS, _FIVE_E, (0, 3, 11), 1e-3),
    _planet("c", _near(20.3, 0.2), _near(108, 0.2), _FIVE_MASS, _FIVE_E, (1, 9), 1e-3),
)
_NESTED = "[sampler]\nn_live = 200\n\n[units]\nper_generation = 4\nmax_units = 4\n"
# Periods of TRAPPIST-1 (Agol et al. 2021, Planet. Sci. J. 2, 1), transits of each in sixty days.
_SEVEN = (
    ("b", 1.5108, 39),
    ("c", 2.4219, 24),
    ("d", 4.0498, 14),
    ("e", 6.0996, 9),
    ("f", 9.2067, 6),
    ("g", 12.3529, 4),
    ("h", 18.7673, 3),
)


def _companion_star(mass: Stated) -> tuple[Planet, Planet]:
    """Return a planet, and an unseen star that pulls it."""
    return (
        _planet(
            "b", _near(10, 0.05), _near(105, 0.2), log_uniform(1, 100), rayleigh(0.05), 60, 5e-4
        ),
        _planet("s", uniform(250, 450), uniform(100, 550), mass, uniform(0, 0.4), ()),
    )


_ALL = (
    Kind("easy", "two planets near 2:1 that weigh each other", _EASY),
    Kind(
        "quiet",
        "two planets without a signal",
        _pair(23.1, log_uniform(0.01, 10), uniform(0, 0.1), (38, 16), 3e-3),
    ),
    Kind(
        "weak",
        "a signal of about the errors' size",
        _pair(20.3, log_uniform(1, 30), uniform(0, 0.1), (40, 20), 3e-3),
    ),
    Kind("five", "five transits of two planets", _FIVE),
    Kind(
        "alone",
        "ten transits of one planet, and an unseen one",
        (
            _planet("b", _near(10, 0.1), _near(105, 0.2), log_uniform(1, 100), _FIVE_E, 10, 1e-3),
            _planet("c", uniform(12, 60), uniform(100, 160), log_uniform(1, 100), _FIVE_E, ()),
        ),
    ),
    Kind(
        "ridge",
        "a long ridge near 2:1",
        (
            _planet(
                "b",
                normal(15, 0.01),
                uniform(103.05, 103.35),
                uniform(0, 300),
                rayleigh(0.08),
                (0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12),
                3e-3,
            ),
            _planet(
                "c",
                normal(30.32, 0.01),
                uniform(109.35, 109.65),
                uniform(0, 300),
                rayleigh(0.08),
                7,
                7e-4,
                1.5e-3,
            ),
        ),
        star_mass=0.8,
    ),
    Kind(
        "sign",
        "near 3:2, with the sign of eccentricities open",
        _pair(15.1, log_uniform(1, 30), rayleigh(0.02), (30, 20), 2e-3),
    ),
    Kind(
        "eccentric",
        "eccentricities up to a half",
        (
            _planet(
                "b", _near(10, 0.05), _near(105, 0.2), uniform(5, 300), uniform(0, 0.5), 40, 1e-3
            ),
            _planet(
                "c", _near(43, 0.3), _near(112, 0.5), uniform(5, 300), uniform(0, 0.5), 9, 1e-3
            ),
        ),
    ),
    Kind(
        "three",
        "three planets near 4:2:1",
        (
            *_pair(20.4, log_uniform(3, 50), rayleigh(0.03), (40, 20), 1e-3),
            _planet(
                "d", _near(41.3, 0.2), _near(117, 0.3), log_uniform(3, 50), rayleigh(0.03), 10, 1e-3
            ),
        ),
    ),
    Kind(
        "seven",
        "seven planets of a small star in sixty days",
        tuple(
            _planet(
                name,
                _near(period, 0.003 * period),
                _near(101 + 0.3 * period, 0.01 * period),
                log_uniform(0.1, 3),
                rayleigh(0.01),
                n_transit,
                3e-4,
            )
            for name, period, n_transit in _SEVEN
        ),
        star_mass=0.09,
    ),
    Kind("outliers", "Gaussian noise stated, four transits far off", _EASY, n_outlier=4),
    Kind("underestimated", "true scatter twice the stated errors", _EASY, scatter=2.0),
    Kind(
        "telescopes",
        "two telescopes in turn, one seven times better",
        _pair(20.3, uniform(5, 40), rayleigh(0.03), (40, 20), 3e-4, 2e-3),
    ),
    Kind("star", "an unseen companion of stellar mass", _companion_star(uniform(33_000, 99_000))),
    Kind("star-fixed", "the same, its mass known", _companion_star({"value": 66_000.0})),
    Kind(
        "usp",
        "a planet of 0.8 days and one of four",
        (
            _planet(
                "b",
                _near(0.8, 0.001),
                _near(101.2, 0.02),
                log_uniform(0.3, 30),
                rayleigh(0.01),
                100,
                5e-4,
            ),
            _planet(
                "c",
                _near(4.03, 0.01),
                _near(103, 0.05),
                log_uniform(0.3, 100),
                rayleigh(0.05),
                19,
                5e-4,
            ),
        ),
    ),
    Kind(
        "inclined",
        "an unseen companion whose inclination and node are free",
        (
            _planet(
                "b", _near(10, 0.05), _near(105, 0.2), log_uniform(1, 50), rayleigh(0.03), 60, 5e-4
            ),
            _planet(
                "c",
                normal(27, 0.03),
                normal(112, 0.5),
                uniform(20, 300),
                rayleigh(0.1),
                (),
                inclination=uniform(50, 130),
                node=normal(0, 30),
            ),
        ),
    ),
    Kind(
        "tails",
        "Student t errors and a jitter",
        _EASY,
        noise={
            "kind": "student_t",
            "degrees": 4,
            "jitter": {"prior": "half_normal", "sigma": 2.0, "unit": "min"},
        },
    ),
    Kind(
        "five-nested",
        "five transits, by nested sampling",
        _FIVE,
        app="ttv_nested",
        sections=_NESTED,
    ),
    Kind(
        "easy-nested",
        "the easy pair, by nested sampling",
        _EASY,
        app="ttv_nested",
        sections=_NESTED,
    ),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _ALL}
"""All kinds by their names."""
SHORT = ("easy", "sign")
"""Two quick kinds."""


def short(kind: Kind) -> Kind:
    """Return a kind whose campaigns end after one small generation, for a look at the machinery."""
    sampler = "n_live = 50" if kind.app == "ttv_nested" else "n_step = 400"
    sections = f"[sampler]\n{sampler}\n\n[units]\nper_generation = 4\nmax_units = 4\n"
    return replace(kind, sections=sections)
