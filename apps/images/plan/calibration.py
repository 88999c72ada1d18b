"""Master frames: what is subtracted from raw frames, and divided out, before anything else.

calibrated = (raw - bias - k dark) / flat. With a bias, the dark is current alone, and k is the
ratio of exposures where both are known; without one, the dark holds the bias, and k is 1. The flat
is normalised to a median of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.images.plan.sky.frame import Image, find_images
from apps.images.plan.sky.observation import exposure_of
from apps.images.plan.sky.pixels import check_pixels, physical, read_raw, thinned
from apps.images.plan.sky.rows import Rows, Sample
from boinc_project.errors import InputError

Floats = NDArray[np.float32]
_LEAST_FLAT = 0.05
"""Below this part of its median a flat says that a pixel is dead."""


@dataclass(frozen=True, slots=True)
class Masters:
    """The master frames of a campaign.

    Attributes
    ----------
    planes : Mapping[str, ndarray]
        float32 (ny, nx) by name: ``bias``, ``dark``, ``flat``.
    dark_exposure : float or None
        Seconds of the dark; None if they are not known.
    """

    planes: Mapping[str, Floats] = field(default_factory=dict)
    dark_exposure: float | None = None

    @classmethod
    def read(cls, paths: Mapping[str, str]) -> Masters:
        """Read master frames.

        Raises
        ------
        InputError
            If one cannot be read, says nothing, or they differ in size.
        """
        planes: dict[str, Floats] = {}
        exposure = 0.0
        for name, path in paths.items():
            image = find_images(Path(path))[0]
            values = physical(read_raw(image), image.scaling)
            if name != "bias":
                check_pixels(image, values)
            if name == "flat":
                values = _normalised(values, image)
            if name == "dark":
                exposure = exposure_of(image)
            for other, there in planes.items():
                if there.shape != values.shape:
                    raise InputError(
                        f"{image.label} has another size than the {other}: give masters of one "
                        "camera.",
                        path=image.path,
                    )
            planes[name] = values
        return cls(planes, exposure or None)

    def settings(self) -> dict[str, Any] | None:
        """Return what a unit is told of them; None if there are none."""
        if not self.planes:
            return None
        return {
            **{name: name in self.planes for name in ("bias", "dark", "flat")},
            "dark_exposure_s": self.dark_exposure,
        }

    @property
    def shape(self) -> tuple[int, int] | None:
        """Rows and columns; None if there are no master frames."""
        for plane in self.planes.values():
            return plane.shape[0], plane.shape[1]
        return None

    def check(self, image: Image) -> None:
        """Refuse a frame of another size than the master frames.

        Raises
        ------
        InputError
            If it is one.
        """
        for plane in self.planes.values():
            self._need_shape((image.ny, image.nx), thinned(plane, image.cell).shape, image)

    def _need_shape(self, shape: tuple[int, ...], plane: tuple[int, ...], image: Image) -> None:
        if shape != plane:
            ny, nx = self.shape or plane
            raise InputError(
                f"{image.label} has {image.nx} x {image.ny} pixels, the master frames {nx} x {ny}: "
                "give masters of the same camera.",
                path=image.path,
            )

    def sampled(self, sample: Sample) -> Masters:
        """Return the same part of the master frames as is taken of a frame."""
        return replace(
            self, planes={name: sample.take(plane) for name, plane in self.planes.items()}
        )

    def rows_of(self, values: Rows, image: Image) -> Rows:
        """Return what `apply` does of a large frame, read when it is asked for."""

        def read(start: int, stop: int) -> Floats:
            here = {name: plane[start:stop] for name, plane in self.planes.items()}
            return replace(self, planes=here).apply(values[start:stop], image)

        return Rows(values.shape, np.float32, read)

    def dark_scale(self, exposure: float) -> float:
        """Return how often the dark is to be subtracted from a frame of so many seconds."""
        if "bias" not in self.planes or not exposure or not self.dark_exposure:
            return 1.0
        return exposure / self.dark_exposure

    def apply(self, values: Floats, image: Image) -> Floats:
        """Return calibrated pixels, as the app computes them but for rounding.

        Raises
        ------
        InputError
            If the frame has another size than the master frames.
        """
        planes = {name: thinned(plane, image.cell) for name, plane in self.planes.items()}
        for plane in planes.values():
            self._need_shape(values.shape, plane.shape, image)
        if "bias" in planes:
            values = values - planes["bias"]
        if "dark" in planes:
            scale = self.dark_scale(exposure_of(image))
            values = np.asarray(values - np.float32(scale) * planes["dark"], np.float32)
        if "flat" in planes:
            flat = planes["flat"]
            if image.cell is not None:  # a lamp has colours of its own
                flat = flat / np.float32(np.nanmedian(flat))
            values = np.asarray(values / flat, np.float32)
        return values


def _normalised(values: Floats, image: Image) -> Floats:
    middle = float(np.median(values[np.isfinite(values)]))
    if middle <= 0:
        raise InputError(
            f"The flat {image.label} has a median of {middle:g}: give one with its bias and dark "
            "subtracted.",
            path=image.path,
        )
    flat = (values / np.float32(middle)).astype(np.float32)
    flat[~(flat > _LEAST_FLAT)] = np.nan
    return flat
