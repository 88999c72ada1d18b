"""Prior distributions: density, sampling, support, and the prior on an eccentricity.

Densities are of whole arrays, with the logarithms of `apps.ttv.compute.exact`: numpy picks others
on other processors, and equal units should give equal bytes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apps.ttv.compute import exact
from boinc_project.errors import UnitError

_LOG_2PI = math.log(2.0 * math.pi)
_SQRT2 = math.sqrt(2.0)
# A uniform eccentricity has density 1/e in the plane of (e cos w, e sin w): no wall at the origin,
# but a floor, so that the density of the one point e = 0 is finite. The disk e < 1e-9 has 1e-9 of
# the probability; no chain can tell the difference.
_SMALLEST_ECCENTRICITY = 1e-9

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prior(ABC):
    """A normalised density of one real number."""

    kind: ClassVar[str] = ""

    def log_density(self, x: ArrayLike) -> Array:
        """Return natural logarithms of the density at `x`; -inf outside the support and for NaN."""
        values = np.asarray(x, dtype=np.float64)
        low, high = self.support
        inside = (values >= low) & (values <= high)
        # What lies outside is not looked at: the support's lower end stands for it.
        safe = np.where(inside, values, low if low > -math.inf else 0.0)
        return np.where(inside, self._log_inside(safe), -math.inf)

    def quantile(self, p: float) -> float:
        """Return the value that is exceeded with probability 1 - `p`, for 0 < p < 1."""
        low, high = self.support
        return min(max(self._inverse(p), low), high)

    def sample(self, rng: np.random.Generator) -> float:
        """Draw one value."""
        return self.quantile(1.0 - rng.random())  # random() can be 0, but never 1

    @property
    def support(self) -> tuple[float, float]:
        """The interval outside which the density is zero; ends may be infinite."""
        return getattr(self, "low", 0.0), getattr(self, "high", math.inf)

    @property
    def width(self) -> float:
        """Half the distance between the 16 % and 84 % quantiles."""
        return 0.5 * (self.quantile(0.84) - self.quantile(0.16))

    @abstractmethod
    def _log_inside(self, x: Array) -> Array:
        """Return log densities at points in the support."""

    @abstractmethod
    def _inverse(self, p: float) -> float:
        """Return the quantile; it may stick out of the support by rounding."""


@dataclass(frozen=True, slots=True)
class Uniform(Prior):
    """Constant between `low` and `high`."""

    low: float
    high: float
    kind: ClassVar[str] = "uniform"

    def __post_init__(self) -> None:
        _require(self.low < self.high, "low is not below high")

    def _log_inside(self, x: Array) -> Array:
        return np.full_like(x, -math.log(self.high - self.low))

    def _inverse(self, p: float) -> float:
        return self.low + p * (self.high - self.low)


@dataclass(frozen=True, slots=True)
class LogUniform(Prior):
    """The logarithm is constant between those of `low` and `high`."""

    low: float
    high: float
    kind: ClassVar[str] = "log_uniform"

    def __post_init__(self) -> None:
        _require(0.0 < self.low < self.high, "low and high are not positive and in order")

    def _log_inside(self, x: Array) -> Array:
        return np.asarray(-exact.log(x) - math.log(math.log(self.high / self.low)))

    def _inverse(self, p: float) -> float:
        return math.exp(math.log(self.low) + p * math.log(self.high / self.low))


@dataclass(frozen=True, slots=True)
class Normal(Prior):
    """Gaussian, cut off at `low` and `high` where they are finite."""

    mean: float
    sigma: float
    low: float = -math.inf
    high: float = math.inf
    kind: ClassVar[str] = "normal"

    def __post_init__(self) -> None:
        _require(self.sigma > 0.0, "sigma is not positive")
        _require(self.low < self.high, "low is not below high")
        _require(self._mass() > 1e-12, "nearly all of the distribution is cut off")

    def _limits(self) -> tuple[float, float, bool]:
        """Return the limits in units of sigma, mirrored if need be into the lower half."""
        a, b = (self.low - self.mean) / self.sigma, (self.high - self.mean) / self.sigma
        return (-b, -a, True) if a > 0.0 else (a, b, False)

    def _mass(self) -> float:
        """Return the probability between the limits, without loss in either tail."""
        a, b, _ = self._limits()
        return _normal_cdf(b) - _normal_cdf(a)

    def _log_inside(self, x: Array) -> Array:
        z = (x - self.mean) / self.sigma
        return np.asarray(-0.5 * z * z - math.log(self.sigma * self._mass()) - 0.5 * _LOG_2PI)

    def _inverse(self, p: float) -> float:
        a, b, mirrored = self._limits()
        share = _normal_cdf(a) + (1.0 - p if mirrored else p) * (_normal_cdf(b) - _normal_cdf(a))
        if not 0.0 < share < 1.0:
            return self.low if share <= 0.0 else self.high
        z = NormalDist().inv_cdf(share)
        return self.mean + self.sigma * (-z if mirrored else z)


@dataclass(frozen=True, slots=True)
class TruncatedNormal(Normal):
    """Gaussian between two stated limits."""

    kind: ClassVar[str] = "truncated_normal"


@dataclass(frozen=True, slots=True)
class HalfNormal(Prior):
    """The absolute value of a Gaussian around zero, cut off at `high`."""

    sigma: float
    high: float = math.inf
    kind: ClassVar[str] = "half_normal"

    def __post_init__(self) -> None:
        _require(self.sigma > 0.0, "sigma is not positive")
        _require(self.high > 0.0, "high is not positive")

    def _mass(self) -> float:
        return math.erf(self.high / self.sigma / _SQRT2)

    def _log_inside(self, x: Array) -> Array:
        z = x / self.sigma
        norm = 0.5 * math.log(2.0 / math.pi) - math.log(self.sigma * self._mass())
        return np.asarray(norm - 0.5 * z * z)

    def _inverse(self, p: float) -> float:
        # From the upper tail mirrored to the lower one, where doubles are dense.
        return -self.sigma * NormalDist().inv_cdf(0.5 - 0.5 * p * self._mass() + 1e-300)


@dataclass(frozen=True, slots=True)
class Rayleigh(Prior):
    """Length of a vector with two Gaussian components, cut off at `high`."""

    sigma: float
    high: float = math.inf
    kind: ClassVar[str] = "rayleigh"

    def __post_init__(self) -> None:
        _require(self.sigma > 0.0, "sigma is not positive")
        _require(self.high > 0.0, "high is not positive")

    def _mass(self) -> float:
        return -math.expm1(-0.5 * (self.high / self.sigma) ** 2)

    def _log_inside(self, x: Array) -> Array:
        z = x / self.sigma
        norm = math.log(self.sigma) + math.log(self._mass())
        return np.asarray(exact.log(z) - 0.5 * z * z - norm)

    def _inverse(self, p: float) -> float:
        return self.sigma * math.sqrt(-2.0 * math.log1p(-p * self._mass()))


KINDS: Mapping[str, type[Prior]] = {
    kind.kind: kind for kind in (Uniform, LogUniform, Normal, TruncatedNormal, HalfNormal, Rayleigh)
}
"""The priors that settings can name."""
_NEEDED = {
    "uniform": {"low", "high"},
    "log_uniform": {"low", "high"},
    "normal": {"mean", "sigma"},
    "truncated_normal": {"mean", "sigma", "low", "high"},
    "half_normal": {"sigma"},
    "rayleigh": {"sigma"},
}


@dataclass(frozen=True, slots=True)
class EccentricityPrior:
    """A prior on e with uniform argument of periapsis, as a density of (e cos w, e sin w).

    The map (e, w) -> (e cos w, e sin w) has Jacobian e; so the density in the plane is
    p(e) / (2 pi e) (Ford 2006, ApJ 642, 505).
    """

    prior: Prior

    def log_density(self, ecosw: ArrayLike, esinw: ArrayLike) -> Array:
        """Return logarithms of the density in the plane; -inf for e >= 1 and for NaN."""
        x, y = np.asarray(ecosw, dtype=np.float64), np.asarray(esinw, dtype=np.float64)
        e = np.maximum(np.sqrt(x * x + y * y), _SMALLEST_ECCENTRICITY)
        inside = e < 1.0
        e = np.where(inside, e, 0.5)
        density = self.prior.log_density(e) - exact.log(e) - _LOG_2PI
        return np.where(inside, density, -math.inf)

    def sample(self, rng: np.random.Generator) -> tuple[float, float]:
        """Draw (e cos w, e sin w)."""
        e = self.prior.sample(rng)
        omega = float(rng.uniform(-math.pi, math.pi))
        return e * math.cos(omega), e * math.sin(omega)


def parse_prior(value: Any, name: str) -> Prior:
    """Make a prior from settings, e.g. ``{"kind": "uniform", "low": 0, "high": 1}``.

    Raises
    ------
    UnitError
        Naming the parameter and the key, if it is not a prior.
    """
    if not isinstance(value, Mapping):
        raise UnitError(f"The prior of {name} is not a table.", name=name)
    kind = value.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise UnitError(f"The prior of {name} has an unknown kind, {kind!r}.", name=name)
    allowed = {field.name for field in fields(KINDS[kind])}
    if kind == "normal":
        allowed -= {"low", "high"}
    numbers = {key: number for key, number in value.items() if key != "kind"}
    for key, number in numbers.items():
        if key not in allowed:
            raise UnitError(f"The {kind} prior of {name} has no key {key}.", name=name, key=key)
        if type(number) not in (int, float) or not math.isfinite(number):
            raise UnitError(f"The prior of {name} has no number as {key}.", name=name, key=key)
    for key in sorted(_NEEDED[kind] - set(numbers)):
        raise UnitError(f"The {kind} prior of {name} lacks {key}.", name=name, key=key)
    try:
        return KINDS[kind](**{key: float(number) for key, number in numbers.items()})
    except _BadPrior as error:
        raise UnitError(f"The {kind} prior of {name} is not usable: {error}.", name=name) from error


def _normal_cdf(z: float) -> float:
    return 0.5 * math.erfc(-z / _SQRT2)


class _BadPrior(ValueError):
    """Numbers that make no distribution."""


def _require(condition: bool, sentence: str) -> None:
    if not condition:
        raise _BadPrior(sentence)
