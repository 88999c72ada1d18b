"""Campaign files: one TOML file that says everything a campaign's result depends on.

Sections that every app shares are read here; the app's own by the app, found by
`boinc_project.application`. See ``docs/scientist/campaign-files.md``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from boinc_project import application
from boinc_project.campaign import Campaign, Published, Quorum, StopRule
from boinc_project.toml_source import TomlSource, TomlTable
from work_generator.quantities import DURATION, read_quantity

COMMON_SECTIONS = ("campaign", "units", "quorum", "stop", "published")
# One letter or digit at least; dashes inside. Short enough that workunit, result and file names
# stay below BOINC's 254 characters with room to spare.
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
MAX_NAME = 64
MAX_SEED = 2**63 - 1
MAX_UNITS = 100_000
SECONDS_PER_DAY = 86400.0


def load_campaign(path: Path) -> Campaign:
    """Read and check a campaign file and the data that it names.

    The result is not prepared yet: what is measured rather than stated (the step size ``"auto"``,
    the starting mode) is completed by the app's ``prepare``.

    Parameters
    ----------
    path : Path
        The TOML file; the paths in it are relative to it.

    Raises
    ------
    InputError
        If anything in the file or its data is missing, unknown, mistyped, in a wrong unit or out
        of range. The message is one sentence with file and line; so are the attributes ``path``
        and ``line``.
    """
    source = TomlSource.read(path)
    head = _head(source)
    app = application.get(head.text("app", example=application.names()[0]))
    root = source.root((*COMMON_SECTIONS, *app.sections))
    sections = app.read(root, path.parent)
    settings = sections.settings
    per_generation, max_units = _units(root, app.units(settings))
    return Campaign(
        name=_name(head),
        title=_line(head, "title", example="Masses of Kepler-9 b and c"),
        description=head.text("description", example="What we want to learn.", default=""),
        app=head.text("app", example=application.names()[0]),
        seed=head.integer("seed", low=0, high=MAX_SEED),
        settings=settings,
        inputs=sections.inputs,
        units_per_generation=per_generation,
        quorum=_quorum(root),
        stop=app.read_stop(root, max_units),
        published=_published(root, app.published_names(settings), app.published_shifts(settings)),
        source=source.text,
    )


def _head(source: TomlSource) -> TomlTable:
    """Return [campaign]; a file without it, or for an unknown app, ends here."""
    # Which sections there may be is known only once the app is: look at the app first.
    everything = TomlTable(source, (), source.values, source.values)
    keys = ("name", "title", "description", "app", "seed")
    head = everything.table("campaign", keys, example="[campaign] with a name, an app and a seed")
    app = head.text("app", example=application.names()[0])
    if app not in application.names():
        head.fail("app", f'there is no app "{app}": write one of {", ".join(application.names())}')
    return head


def _name(head: TomlTable) -> str:
    name = head.text("name", example="kepler-9")
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        better = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:MAX_NAME] or "kepler-9"
        head.fail(
            "name",
            f'name = "{name}" must be lower-case letters, digits and single dashes, at most '
            f'{MAX_NAME}: write for example "{better}"',
        )
    return name


def _line(table: TomlTable, key: str, *, example: str) -> str:
    """Return a text of one line, not empty and not too long for its column and its page."""
    text = table.text(key, example=example)
    if not text.strip() or "\n" in text or len(text) > 200:
        table.fail(key, f"{key} must be one line of 1 to 200 characters")
    return text


def _units(root: TomlTable, stated: int | None) -> tuple[int, int]:
    if stated is not None:
        if "units" in root:
            root.fail(
                "units",
                "the number of units follows from the data: remove this section",
            )
        return stated, stated
    table = root.optional_table("units", ("per_generation", "max_units"))
    per_generation = table.integer("per_generation", low=1, high=10_000, default=8)
    default = max(StopRule().max_units, per_generation)
    max_units = table.integer("max_units", low=1, high=MAX_UNITS, default=default)
    if max_units < per_generation:
        table.fail(
            "max_units",
            f"max_units = {max_units} is less than the {per_generation} units of one generation: "
            f"write max_units = {per_generation} or more",
        )
    return per_generation, max_units


def _quorum(root: TomlTable) -> Quorum:
    base = Quorum()
    limits = (
        "min_quorum",
        "target_nresults",
        "max_error_results",
        "max_total_results",
        "max_success_results",
    )
    table = root.optional_table("quorum", (*limits, "delay_bound", "adaptive"))
    min_quorum = table.integer("min_quorum", low=1, high=10, default=base.min_quorum)
    target = table.integer("target_nresults", low=1, high=20, default=min_quorum)
    total = table.integer(
        "max_total_results", low=1, high=100, default=max(base.max_total_results, 2 * target)
    )
    success = table.integer(
        "max_success_results",
        low=1,
        high=100,
        default=min(max(base.max_success_results, target), total),
    )
    error = table.integer("max_error_results", low=1, high=100, default=base.max_error_results)
    if target < min_quorum:
        table.fail(
            "target_nresults",
            f"target_nresults = {target} is less than min_quorum: write {min_quorum} or more",
        )
    for key, value in (("max_total_results", total), ("max_success_results", success)):
        if value < target:
            table.fail(key, f"{key} = {value} is less than target_nresults: write {target} or more")
    days = base.delay_bound / SECONDS_PER_DAY
    if "delay_bound" in table:
        days = read_quantity(table, "delay_bound", DURATION, example=days)
    # A client rounds its own estimates to hours; a deadline beyond half a year helps nobody.
    if not 1 / 1440 <= days <= 180:
        table.fail(
            "delay_bound", f"delay_bound = {days:g} days is out of range: write 0.001 to 180"
        )
    adaptive = table.boolean("adaptive", default=base.adaptive)
    if adaptive and min_quorum == 1:
        table.fail(
            "adaptive",
            "adaptive = true with min_quorum = 1: say how many results must agree where the "
            "host has no record, such as min_quorum = 2",
        )
    return Quorum(
        min_quorum,
        target,
        error,
        total,
        success,
        days * SECONDS_PER_DAY,
        adaptive=adaptive,
    )


def _published(
    root: TomlTable, names: Collection[str], moved: Mapping[str, float]
) -> tuple[Published, ...]:
    """Read [[published]]; values of what the app has moved are moved alike."""
    values = []
    for table in root.tables("published", ("parameter", "value", "plus", "minus", "source")):
        parameter = table.text("parameter", example="b.mass")
        if parameter not in names:
            table.fail(
                "parameter",
                f'there is no parameter "{parameter}": write one of {", ".join(names)}',
            )
        plus, minus = table.number("plus", default=0.0), table.number("minus", default=0.0)
        for key, error in (("plus", plus), ("minus", minus)):
            if error < 0:
                table.fail(key, f"{key} = {error:g} is negative: write it without the sign")
        values.append(
            Published(
                parameter,
                table.number("value") + moved.get(parameter, 0.0),
                plus,
                minus,
                _line(table, "source", example="Borsato et al. 2019"),
            )
        )
    return tuple(values)
