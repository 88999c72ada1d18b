"""Merged nested runs as files: plain HDF5, and netCDF in ArviZ's schema."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from apps.nested.weights import Points, Weighted
from apps.ttv.compute.table import TransitTable
from apps.ttv.merge.posterior_files import FORMAT, observed_data
from apps.ttv.merge.quantities import Quantity

Floats = NDArray[np.float64]
Keys = tuple[tuple[int, int, str], ...]


def nested_digest(names: Sequence[str], keys: Keys, points: Points | None) -> str:
    """Return the SHA-256 of merged runs: names, units and all points, in hexadecimal."""
    digest = hashlib.sha256()
    texts = [*names, *(f"{g}:{i}:{unit}" for g, i, unit in keys)]
    if points is not None:
        texts += [",".join(map(str, points.cube.shape)), *map(str, points.n_drawn)]
    digest.update("\n".join(texts).encode())
    if points is not None:
        for array in (points.cube, points.logl, points.birth):
            digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def write_hdf5(
    path: Path,
    *,
    quantities: Sequence[Quantity],
    logl: Floats,
    points: Points,
    weighted: Weighted,
    values: Floats,
    log_ratios: Floats,
    keys: Keys,
    attributes: Mapping[str, Any],
) -> None:
    """Write ``posterior.h5``.

    Datasets: ``draws`` (draw, parameter) and ``log_likelihood`` (draw), equally weighted; one of
    the latter shape in ``derived/`` for each derived quantity; and in ``points/`` all points of
    all runs, by rising likelihood: ``values`` (point, parameter), ``log_likelihood``, ``birth``,
    ``log_prior_ratio``, ``log_volume``, ``weight`` and ``run`` (point). The first two are of L*, if
    the runs had a proposal; the third is what it has more than the likelihood, 0 if they had none.
    """
    free = [quantity for quantity in quantities if not quantity.derived]
    with h5py.File(path, "w", libver=("earliest", "v110"), track_order=True) as file:
        file.attrs["format"] = FORMAT
        for name, value in attributes.items():
            file.attrs[name] = value
        file.attrs["parameter_names"] = [quantity.name for quantity in free]
        file.attrs["parameter_units"] = [quantity.unit for quantity in free]
        file.attrs["unit_digests"] = [digest for _, _, digest in keys]
        file.attrs["axes_of_draws"] = ["draw", "parameter"]
        draws = np.stack([one.values.reshape(-1) for one in free], axis=1)
        file.create_dataset("draws", data=draws, track_times=False)
        file.create_dataset("log_likelihood", data=logl, track_times=False)
        group = file.create_group("derived", track_order=True)
        for quantity in quantities:
            if quantity.derived:
                name = quantity.name.replace("/", "_over_")  # a slash would be a group
                data = quantity.values.reshape(-1)
                dataset = group.create_dataset(name, data=data, track_times=False)
                dataset.attrs["unit"] = quantity.unit
        group = file.create_group("points", track_order=True)
        arrays = {
            "values": values,
            "log_likelihood": points.logl,
            "birth": points.birth,
            "log_prior_ratio": log_ratios,
            "log_volume": weighted.log_volume,
            "weight": weighted.weights,
            "run": points.run,
        }
        for name, array in arrays.items():
            group.create_dataset(name, data=array, track_times=False)


def write_netcdf(
    path: Path,
    quantities: Sequence[Quantity],
    logl: Floats,
    table: TransitTable,
    attributes: Mapping[str, Any],
) -> None:
    """Write ``posterior.nc``, which ``arviz.from_netcdf`` or ``xarray.open_datatree`` read.

    The equally weighted draws are one chain.
    """
    import xarray as xr

    coordinates = {"chain": np.arange(1), "draw": np.arange(len(logl))}
    posterior = xr.Dataset(
        {
            one.name.replace("/", "_over_"): (
                ("chain", "draw"),
                one.values.reshape(1, -1),
                {"units": one.unit, "long_name": one.label, "derived": int(one.derived)},
            )
            for one in quantities
        },
        coordinates,
        attributes,
    )
    statistics = xr.Dataset(
        {"log_likelihood": (("chain", "draw"), logl.reshape(1, -1))}, coordinates, attributes
    )
    tree = xr.DataTree.from_dict(
        {
            "posterior": posterior,
            "sample_stats": statistics,
            "observed_data": observed_data(table, attributes),
        }
    )
    tree.attrs.update(attributes)
    tree.to_netcdf(path, engine="h5netcdf")
