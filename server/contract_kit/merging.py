"""Merging: the order of the outputs does not matter."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apps.runtime.platforms import platform_name
from boinc_project.outputs import Canonical
from boinc_project.unit import file_digest
from server.contract_kit.finding import Finding, judged
from server.contract_kit.subject import Subject, Whole

CREATED = datetime(2000, 1, 1, tzinfo=UTC)
"""Time stamp of all products, because products of one moment must be the same files."""


def merges(subject: Subject, wholes: Mapping[str, Whole], rng: random.Random) -> Finding:
    """Merge outputs in several orders, and some of them only.

    Parameters
    ----------
    subject : Subject
        The application.
    wholes : Mapping[str, Whole]
        A good output of each unit, by the unit's name.
    rng : random.Random
        Shuffles.
    """
    outputs = [
        Canonical(unit, wholes[unit.name].path, unit.name, subject.app.version, platform_name())
        for unit in subject.units
    ]
    orders = [outputs, outputs[::-1], rng.sample(outputs, len(outputs))]
    products = [
        _merged(subject, order, subject.directory / f"product-{number}")
        for number, order in enumerate(orders)
    ]
    faults = []
    first_digest, first_files = products[0]
    for digest, files in products[1:]:
        if digest != first_digest:
            faults.append("In another order the product has another digest.")
        differing = {name for name, _ in set(files.items()) ^ set(first_files.items())}
        if differing:
            faults.append(f"In another order these files differ: {', '.join(sorted(differing))}.")
    _merged(subject, outputs[1:], subject.directory / "product-of-some")
    words = f"{len(orders)} orders of {len(outputs)} outputs give the same {len(first_files)} files"
    return judged(
        "Merged in any order, the same product", faults, f"{words}; some outputs can be merged too."
    )


def _merged(
    subject: Subject, outputs: Sequence[Canonical], directory: Path
) -> tuple[str, dict[str, str]]:
    """Return a product's digest, and those of its files."""
    product = subject.app.merge(subject.campaign, outputs, created_at=CREATED)
    product.write(directory)
    files = {
        path.relative_to(directory).as_posix(): file_digest(path)
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    return product.digest, files
