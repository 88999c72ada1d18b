"""Provenance: all that is needed to know where a posterior comes from, and to compute it again.

``python -m assimilator.provenance provenance.json UNIT DIRECTORY`` lays the sealed input of a unit
into a directory; ``python -m apps.main APP --slot DIRECTORY`` computes it again.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from boinc_project import __version__
from boinc_project.campaign import Campaign
from boinc_project.errors import InputError
from boinc_project.input_store import InputStore
from boinc_project.outputs import Canonical, Rejected
from boinc_project.unit import Unit, seal

PROVENANCE_FILE = "provenance.json"
FORMAT = 1

HOW_TO_RECOMPUTE = (
    "python -m assimilator.provenance provenance.json UNIT DIRECTORY [--inputs STORE]",
    "python -m apps.main {app} --slot DIRECTORY",
)
"""The commands that compute a unit again; on the platform named beside it, the output's
``content_digest`` comes out equal, and elsewhere equal up to rounding."""


class Stamped(Protocol):
    """What every output says of who computed it."""

    @property
    def app_version(self) -> int:
        """100 * major + minor."""

    @property
    def platform(self) -> str:
        """BOINC's name of the platform."""

    @property
    def app_digest(self) -> str:
        """SHA-256 over the app's own files."""


class Output(Stamped, Protocol):
    """What an output of draws says of itself."""

    @property
    def n_likelihood(self) -> int:
        """Likelihood calls."""

    @property
    def failures(self) -> Mapping[str, int]:
        """Points without a model, by kind."""


def unit_entry(canonical: Canonical, output: Output, content_digest: str) -> dict[str, Any]:
    """Return the entry of one unit: the unit itself, and who computed it with what.

    Parameters
    ----------
    canonical : Canonical
        The output's place in the campaign.
    output : Output
        What it says of itself.
    content_digest : str
        SHA-256 of what was computed.
    """
    counted = {
        "n_likelihood": output.n_likelihood,
        "failures": dict(sorted(output.failures.items())),
    }
    return computed_entry(canonical, output, content_digest, counted)


def computed_entry(
    canonical: Canonical, output: Stamped, content_digest: str, counted: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the entry of one unit of any app; `counted` says what it took, and what it was of."""
    unit = canonical.unit
    return {
        "name": unit.name,
        "digest": unit.digest,
        "seed": {
            "entropy": unit.campaign_seed,
            "spawn_key": [unit.generation, unit.index],
        },
        "workunit": canonical.workunit,
        "result": canonical.result,
        "quorum": canonical.quorum,
        "n_agreeing": canonical.n_agreeing,
        "sent_app_version": canonical.app_version,
        "sent_platform": canonical.platform,
        "app_version": output.app_version,
        "platform": output.platform,
        "app_digest": output.app_digest,
        "content_digest": content_digest,
        **counted,
        "unit": asdict(unit),
    }


def provenance(
    campaign: Campaign,
    units: Sequence[dict[str, Any]],
    rejected: Sequence[Rejected],
    *,
    digest: str,
    created_at: str,
    digest_of: str = "posterior",
) -> dict[str, Any]:
    """Return a product's provenance as plain JSON values; `digest` is that of its `digest_of`.

    Large inputs are named by their digests; they lie in the campaign's store of inputs.
    """
    return {
        "format": FORMAT,
        "campaign": campaign.name,
        "created_at": created_at,
        f"{digest_of}_digest": digest,
        "software": {"openastro": __version__},
        "campaign_file": campaign.source,
        "inputs": {
            name: base64.b64encode(data).decode("ascii")
            for name, data in sorted(campaign.inputs.items())
        },
        "input_files": {key: one.nbytes for key, one in sorted(campaign.files.items())},
        "how_to_recompute": [line.format(app=campaign.app) for line in HOW_TO_RECOMPUTE],
        "units": list(units),
        "rejected": [asdict(one) for one in sorted(rejected, key=lambda one: one.result)],
    }


def unpack_unit(file: Path, name: str, directory: Path, store: InputStore | None = None) -> Unit:
    """Lay the sealed input of one unit into a directory.

    Parameters
    ----------
    file : Path
        The product's ``provenance.json``.
    name : str
        The unit's.
    directory : Path
        Where to.
    store : InputStore, optional
        Where large inputs lie, which the provenance only names.

    Raises
    ------
    InputError
        If the file is no provenance, or has no such unit.
    UnitError
        If the inputs kept are not those of the unit.
    """
    try:
        content = json.loads(file.read_text())
        entries = {entry["name"]: entry["unit"] for entry in content["units"]}
        inputs = {key: base64.b64decode(text) for key, text in content["inputs"].items()}
        units = {key: Unit(**value) for key, value in entries.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is not the provenance of a product: {error!r}.") from error
    if name not in units:
        raise InputError(f"{file} has no unit {name}; it has {', '.join(units)}.", name=name)
    unit = units[name]
    large = [key for key in unit.inputs if key not in inputs]
    if large and store is None:
        raise InputError(
            f"{name} needs large inputs ({', '.join(large)}): say with --inputs where they lie.",
            name=name,
        )
    found: dict[str, bytes | Path] = {key: inputs[key] for key in unit.inputs if key in inputs}
    if store is not None:
        found |= {key: store.find(unit.inputs[key]) for key in large}
    seal(unit, found, directory)
    return unit


def main(arguments: Sequence[str] | None = None) -> None:
    """Unpack a unit, as the module's docstring says."""
    parser = argparse.ArgumentParser(description="Lay a unit of a product into a directory.")
    parser.add_argument("file", type=Path, help="the product's provenance.json")
    parser.add_argument("unit", help="name of the unit, e.g. kepler-9_g0_u003")
    parser.add_argument("directory", type=Path, help="where unit.json and its inputs shall be")
    parser.add_argument("--inputs", type=Path, help="the campaign's store of large inputs")
    chosen = parser.parse_args(arguments)
    store = None if chosen.inputs is None else InputStore(chosen.inputs)
    try:
        unpack_unit(chosen.file, chosen.unit, chosen.directory, store)
    except InputError as error:
        parser.error(error.message)


if __name__ == "__main__":
    main()
