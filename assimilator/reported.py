"""A product that is a report and files: all that most applications need."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from assimilator.directory import write_product
from assimilator.provenance import computed_entry, provenance
from assimilator.summary import head
from boinc_project.campaign import Campaign
from boinc_project.outputs import Canonical, Rejected
from boinc_project.report import REPORT, Report
from boinc_project.unit import file_digest


@dataclass(frozen=True, slots=True)
class _Sent:
    """The version that a host was sent; outputs of unknown form do not say more."""

    app_version: int
    platform: str
    app_digest: str = ""


@dataclass(frozen=True, slots=True)
class ReportedProduct:
    """A report, and the files that go with it.

    The campaign is over when all of its units are merged, because a report says nothing of when
    more units would be no use.

    Attributes
    ----------
    campaign : Campaign
        As it was issued.
    outputs : Sequence of Canonical
        The canonical outputs it was made of.
    report : Report
        All that people are shown.
    files : Mapping[str, bytes]
        By name.
    created_at : datetime
        Time stamp.
    rejected : Sequence of Rejected
        Results that were not believed.
    """

    campaign: Campaign
    outputs: Sequence[Canonical]
    report: Report
    files: Mapping[str, bytes]
    created_at: datetime
    rejected: Sequence[Rejected] = ()

    draws = None
    n_draw = 0

    @property
    def n_unit(self) -> int:
        """Number of canonical outputs it was made of."""
        return len(self.outputs)

    @property
    def sampled(self) -> bool:
        """Whether all units of the campaign are merged."""
        return self.n_unit >= self.campaign.stop.max_units

    @property
    def converged(self) -> bool:
        """Whether all units are merged, and all criteria are met."""
        return self.sampled and self.report.met

    @property
    def missing(self) -> tuple[str, ...]:
        """Units that are missing, and criteria that are not met."""
        left = self.campaign.stop.max_units - self.n_unit
        units = (
            (f"{left} of {self.campaign.stop.max_units} units are missing.",) if left > 0 else ()
        )
        unmet = (entry for entry in self.report.criteria if not entry.met)
        return units + tuple(entry.sentence or f"{entry.name}: not met." for entry in unmet)

    @property
    def size(self) -> str:
        """How much is in it."""
        return self.report.size

    @property
    def outcome(self) -> str:
        """Whether it is what the campaign wanted."""
        return self.report.outcome

    @property
    def digest(self) -> str:
        """SHA-256 of names and bytes of the files, in hexadecimal."""
        total = hashlib.sha256()
        for name in sorted(self.files):
            total.update(f"{name} {hashlib.sha256(self.files[name]).hexdigest()}\n".encode())
        return total.hexdigest()

    def summary(self) -> dict[str, Any]:
        """Return the summary as plain JSON values."""
        return {
            **head(self.campaign),
            "kind": REPORT,
            "digest": self.digest,
            "created_at": self.created_at.isoformat(),
            "converged": self.converged,
            "missing": list(self.missing),
            "n_unit": self.n_unit,
            REPORT: self.report.to_plain(),
        }

    def provenance(self) -> dict[str, Any]:
        """Return where it comes from, as plain JSON values."""
        return provenance(
            self.campaign,
            [_entry(output) for output in sorted(self.outputs, key=lambda each: each.workunit)],
            self.rejected,
            digest=self.digest,
            created_at=self.created_at.isoformat(),
            digest_of="files",
        )

    def write(self, directory: Path) -> None:
        """Write all files into `directory`; each appears whole or not at all."""

        def write_files(part: Path) -> None:
            for name, data in self.files.items():
                (part / name).write_bytes(data)

        write_product(directory, write_files, summary=self.summary(), provenance=self.provenance())


def _entry(output: Canonical) -> dict[str, Any]:
    sent = _Sent(output.app_version, output.platform)
    return computed_entry(output, sent, file_digest(output.path), {})
