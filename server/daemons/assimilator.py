"""The assimilator: merges canonical outputs into products.

A workunit is marked DONE in the transaction that records the product it is in, after the product's
files are written. Killed anywhere, the daemon finds the workunit READY again and merges the same
outputs into the same product. A workunit that ended in error is marked DONE as it is.
"""

from __future__ import annotations

from boinc_project.lifecycle.workunit import Assimilated
from server.daemons.items import run_each
from server.project import Project
from server.services.lifecycle import apply, load

NAME = "assimilator"


def one_pass(project: Project) -> int:
    """Merge every campaign that is due; return how many products were made or settled."""
    # Imported late: NumPy, SciPy and ArviZ take a second that other daemons need not spend.
    from server.services.products import campaigns_due

    with project.database.read() as session:
        due = campaigns_due(session, project.clock())
    return run_each(NAME, due, lambda one: assimilate(project, one), lambda *_: None)


def assimilate(project: Project, campaign_id: int) -> bool:
    """Bring one campaign's product up to date; return whether anything was done."""
    from server.services.products import harvest, merge, record

    with project.database.read() as session:
        found = harvest(session, project, campaign_id)
    if found is None:
        return False
    now = project.clock()
    product = None
    if found.outputs and not found.frozen:
        product = merge(found, now)
        product.write(project.settings.path("products") / found.campaign.name)
    with project.database.write() as session:
        if product is not None:
            record(session, campaign_id, product, now)
        for workunit in found.ready:
            loaded = load(session, project.database, workunit)
            if loaded is not None:
                event = Assimilated(now)
                apply(
                    session, project.database, loaded, event, actor=NAME, settings=project.settings
                )
    return True
