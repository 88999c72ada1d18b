"""Planning: the same campaign gives the same units."""

from __future__ import annotations

from boinc_project.campaign import Progress
from server.contract_kit.finding import Finding, judged
from server.contract_kit.subject import Subject
from work_generator.definition import from_definition, to_definition


def plans(subject: Subject) -> Finding:
    """Plan again, from the campaign as it is and as the database keeps it."""
    app, campaign = subject.app, subject.campaign
    first = [unit.digest for unit in subject.units]
    kept = from_definition(to_definition(campaign))
    faults = []
    for other, words in ((campaign, "again"), (kept, "again as the database keeps it")):
        units = app.plan(other, Progress())[: len(first)]
        if [unit.digest for unit in units] != first:
            faults.append(f"Planned {words}, the units have other digests.")
    if len({unit.name for unit in subject.units}) < len(first):
        faults.append("Two units have the same generation and index.")
    if any((unit.app, unit.campaign) != (app.name, campaign.name) for unit in subject.units):
        faults.append("A unit names another app or campaign.")
    return judged("Planned again, the same units", faults, f"{len(first)} units, planned thrice.")
