"""The merged draws as files: plain HDF5, and netCDF in ArviZ's schema.

Neither file holds a time of writing unless it is given, and objects are written without HDF5's own
time stamps: equal draws are equal bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from apps.ttv.compute.table import TransitTable
from apps.ttv.merge.chains import Merged
from apps.ttv.merge.quantities import Quantity
from boinc_project import __version__

FORMAT = 1
CREATOR = "openastro-at-home"
WARNING = "Chains with equal sub_chain are walkers of one ensemble, not independent."

Floats = NDArray[np.float64]


def posterior_digest(names: Sequence[str], merged: Merged) -> str:
    """Return the SHA-256 of the merged draws: names, sub-chains and all numbers, in hexadecimal."""
    digest = hashlib.sha256()
    shape = ",".join(map(str, merged.draws.shape))
    texts = [*names, *(f"{g}:{i}:{unit}" for g, i, unit in merged.keys), shape]
    digest.update("\n".join(texts).encode())
    for array in (merged.draws, merged.log_prob):
        digest.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return digest.hexdigest()


def write_hdf5(
    path: Path, quantities: Sequence[Quantity], merged: Merged, attributes: Mapping[str, str]
) -> None:
    """Write ``posterior.h5``.

    Datasets: ``draws`` (chain, draw, walker, parameter), ``log_prob`` (chain, draw, walker), and
    one of the latter shape in ``derived/`` for each derived quantity. A chain is a sub-chain.
    """
    free = [quantity for quantity in quantities if not quantity.derived]
    with h5py.File(path, "w", libver=("earliest", "v110"), track_order=True) as file:
        file.attrs["format"] = FORMAT
        for name, value in attributes.items():
            file.attrs[name] = value
        file.attrs["parameter_names"] = [quantity.name for quantity in free]
        file.attrs["parameter_units"] = [quantity.unit for quantity in free]
        file.attrs["unit_digests"] = [digest for _, _, digest in merged.keys]
        file.attrs["axes_of_draws"] = ["sub_chain", "draw", "walker", "parameter"]
        file.create_dataset("draws", data=merged.draws, track_times=False)
        file.create_dataset("log_prob", data=merged.log_prob, track_times=False)
        group = file.create_group("derived", track_order=True)
        for quantity in quantities:
            if quantity.derived:
                name = quantity.name.replace("/", "_over_")  # a slash would be a group
                dataset = group.create_dataset(name, data=quantity.values, track_times=False)
                dataset.attrs["unit"] = quantity.unit


def write_netcdf(
    path: Path,
    quantities: Sequence[Quantity],
    merged: Merged,
    acceptance: Floats,
    table: TransitTable,
    attributes: Mapping[str, str],
) -> None:
    """Write ``posterior.nc``, which ``arviz.from_netcdf`` or ``xarray.open_datatree`` read.

    Walkers are chains, as everywhere in ArviZ; the coordinate ``sub_chain`` says which of them
    belong together. Those are not independent of each other: for R-hat use
    ``arviz_stats.rhat_nested`` with ``sub_chain`` as the superchains, and believe the numbers of
    ``summary.json``.

    Parameters
    ----------
    acceptance : ndarray
        Share of accepted proposals of each walker, float64 (n_chain, n_walker).
    """
    import xarray as xr

    n_chain, n_draw, n_walker = merged.log_prob.shape
    coordinates: dict[str, Any] = {
        "chain": np.arange(n_chain * n_walker),
        "draw": np.arange(n_draw),
        "sub_chain": ("chain", np.repeat(np.arange(n_chain), n_walker)),
        "walker": ("chain", np.tile(np.arange(n_walker), n_chain)),
    }

    def by_walker(values: Floats) -> tuple[tuple[str, str], Floats]:
        return ("chain", "draw"), values.transpose(0, 2, 1).reshape(n_chain * n_walker, n_draw)

    posterior = xr.Dataset(
        {
            one.name.replace("/", "_over_"): (
                *by_walker(one.values),
                {"units": one.unit, "long_name": one.label, "derived": int(one.derived)},
            )
            for one in quantities
        },
        coordinates,
        attributes,
    )
    rates = np.repeat(acceptance.reshape(-1, 1), n_draw, axis=1)
    statistics = xr.Dataset(
        {"lp": by_walker(merged.log_prob), "acceptance_rate": (("chain", "draw"), rates)},
        coordinates,
        attributes,
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


def common_attributes(
    campaign: str, app: str, digest: str, created_at: str, *, warning: str = WARNING
) -> dict[str, str]:
    """Return the attributes of both files; those that ArviZ's schema asks for among them."""
    return {
        "created_at": created_at,
        "creation_library": CREATOR,
        "creation_library_version": __version__,
        "creation_library_language": "Python",
        "inference_library": CREATOR,
        "inference_library_version": __version__,
        "campaign": campaign,
        "app": app,
        "posterior_digest": digest,
        "warning": warning,
    }


def observed_data(table: TransitTable, attributes: Mapping[str, Any]) -> Any:
    """Return the measured transits as a dataset of ArviZ's group ``observed_data``."""
    import xarray as xr

    planets = table.planets
    return xr.Dataset(
        {
            "transit_time": (
                "transit",
                np.concatenate([one.times for one in planets]),
                {"units": "BKJD days"},
            ),
            "transit_time_error": (
                "transit",
                np.concatenate([one.sigmas for one in planets]),
                {"units": "days"},
            ),
        },
        {
            "transit": np.arange(table.n_transit),
            "planet": (
                "transit",
                np.concatenate([np.repeat(one.planet, len(one.epochs)) for one in planets]),
            ),
            "epoch": ("transit", np.concatenate([one.epochs for one in planets])),
        },
        dict(attributes),
    )
