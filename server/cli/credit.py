"""``openastro credit``: tell all credit again from the results, and mend totals that are off."""

from __future__ import annotations

import typer

from server.cli.context import console, open_from

UNEQUAL = 1
"""Exit status if something is off and was not mended."""


def credit(
    context: typer.Context,
    mend: bool = typer.Option(False, "--mend", help="Write the right totals."),
) -> None:
    """Check the credit of hosts and users against the results that earned it."""
    from server.services.credit_books import check
    from server.services.credit_books import mend as write_totals

    project = open_from(context)
    if mend:
        found = write_totals(project)
    else:
        with project.database.read() as session:
            found = check(session)
    out = console()
    out.print(f"{found.results} results have earned {found.credit:.2f} cobblestones.")
    for one in found.differences:
        done = "mended" if mend else "off"
        out.print(
            f"{one.kind} {one.id}: {one.written:.2f} is written, {one.counted:.2f} is right "
            f"({done})"
        )
    for name in found.unlike:
        out.print(f"{name}: its results have unlike credit", markup=False)
    if found.good:
        out.print("All totals are the sums of their results.")
    elif found.unlike or not mend:
        raise typer.Exit(UNEQUAL)
