"""The programs that a stock server's ``script_validator`` and ``script_assimilator`` run.

Such a program gets paths of output files and nothing else; the unit is found by the file's name.
Exit statuses are BOINC's. Of a check: 0 good, 3 not now, anything else invalid. Of a comparison: 0
match, 3 not now, anything else differ. Of the assimilator: 0, or the daemon stops.

What fails to decide passes nothing. A check that does is asked for again after the 6 hours that a
stock server waits. A comparison that does is no match, so that the server asks for another result.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from boinc_project import application
from boinc_project.errors import OpenAstroError, TransientError
from boinc_project.outputs import Canonical, Rejected
from boinc_project.states import ErrorMask
from boinc_project.verdict import Verdict, VerdictKind, closed, invalid
from server.stock.layout import CAMPAIGN_FILE, Layout
from work_generator.definition import from_definition

GOOD, BAD, LATER = 0, 1, 3
"""Exit statuses of a check and of a comparison."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one program; returns its exit status, with one sentence on stderr that says why."""
    given = _parser().parse_args(arguments)
    layout = Layout(given.root)
    try:
        if given.command == "check":
            verdict = closed(check, layout, given.files[0], given.audit_seconds)
            return _end(verdict, undecided=LATER)
        if given.command == "compare":
            verdict = closed(compare, layout, given.files[0], given.files[1])
            return _end(verdict, undecided=BAD)
        if given.error:
            record_failure(layout, int(given.error[0]), given.error[1])
        else:
            assimilate(layout, given.words[0], Path(given.words[1]))
    except TransientError as error:
        return _say(error.message, LATER)
    except OpenAstroError as error:
        return _say(error.message, BAD)
    except (OSError, IndexError, ValueError) as error:
        return _say(str(error), BAD)
    return GOOD


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="openastro-stock")
    parser.add_argument("--root", type=Path, required=True, help="the exported directory")
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("check", help="judge one output: files")
    one.add_argument("--audit-seconds", type=float, default=0.0)
    one.add_argument("files", nargs="+", type=Path)
    two = commands.add_parser("compare", help="compare two outputs: files files2")
    two.add_argument("files", nargs=2, type=Path)
    end = commands.add_parser("assimilate", help="take a canonical output: wu_name files")
    end.add_argument("--error", nargs=4, metavar=("MASK", "NAME", "ID", "BATCH"))
    end.add_argument("words", nargs="*")
    return parser


def check(layout: Layout, path: Path, audit_seconds: float) -> Verdict:
    """Judge one output by itself, and recompute a part of it if there is time for that.

    The stock server keeps no record of hosts' audits, so every output is audited or none is. The
    part is drawn with the system's secret random numbers.
    """
    if not path.is_file():
        return invalid("The output file is not there.")
    unit, inputs = layout.unit_of(path)
    app = application.get(unit.app).judging()
    verdict = app.check(unit, path, inputs)
    if not verdict.is_valid or audit_seconds <= 0 or app.audit is None:
        return verdict
    rng = np.random.default_rng(secrets.randbits(128))
    return app.audit(unit, path, inputs, rng=rng, budget=audit_seconds)


def compare(layout: Layout, path_a: Path, path_b: Path) -> Verdict:
    """Compare two outputs of one workunit."""
    if not (path_a.is_file() and path_b.is_file()):
        return invalid("An output file is not there.")
    unit, _ = layout.unit_of(path_a)
    if layout.unit_of(path_b)[0] != unit:
        return invalid("The outputs are of different workunits.")
    return application.get(unit.app).judging().compare(unit, path_a, path_b)


def assimilate(layout: Layout, workunit: str, path: Path) -> None:
    """Take a canonical output; when its campaign has all, merge them into the product.

    May be repeated: the same output is written to the same place, and merged alike.
    """
    unit, _ = layout.unit(workunit)
    kept = layout.campaign(unit.campaign) / "outputs" / workunit
    kept.parent.mkdir(parents=True, exist_ok=True)
    partial = kept.with_name(f".{workunit}.{os.getpid()}")
    shutil.copyfile(path, partial)
    partial.replace(kept)
    _merge_if_complete(layout, unit.campaign)


def record_failure(layout: Layout, mask: int, workunit: str) -> None:
    """Take note of a workunit that ended without a canonical result."""
    unit, _ = layout.unit(workunit)
    note = layout.campaign(unit.campaign) / "failed" / workunit
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text("|".join(flag.name or "" for flag in ErrorMask(mask)) + "\n")
    _merge_if_complete(layout, unit.campaign)


def _merge_if_complete(layout: Layout, name: str) -> None:
    directory = layout.campaign(name)
    campaign = from_definition((directory / CAMPAIGN_FILE).read_bytes())
    issued = set((directory / "workunits").read_text().split())
    outputs = sorted(issued & {path.name for path in (directory / "outputs").glob("[!.]*")})
    failed = sorted(issued & {path.name for path in (directory / "failed").glob("*")})
    if not outputs or len(outputs) + len(failed) < len(issued):
        return
    product = application.get(campaign.app).merge(
        campaign,
        [
            Canonical(layout.unit(one)[0], directory / "outputs" / one, one, quorum="stock server")
            for one in outputs
        ],
        created_at=datetime.now(UTC),
        rejected=[
            Rejected(one, one, "error", (directory / "failed" / one).read_text().strip())
            for one in failed
        ],
    )
    product.write(directory / "product")


def _end(verdict: Verdict, *, undecided: int) -> int:
    statuses = {VerdictKind.VALID: GOOD, VerdictKind.INVALID: BAD}
    return _say(verdict.reason, statuses.get(verdict.kind, undecided))


def _say(sentence: str, status: int) -> int:
    sys.stderr.write(f"openastro: {sentence}\n")
    return status


if __name__ == "__main__":
    sys.exit(main())
