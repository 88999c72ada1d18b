"""Columns that the life-cycle machines own are written where their effects are carried out."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import server
from server.services.campaign_life import COLUMNS
from server.services.state_rows import RESULT_COLUMNS

SERVER = Path(server.__file__).parent
SHARED = {"hostid", "userid"}
"""Names that columns of other tables have, too."""

# Without transition_time and validate_after, by which daemons put off what they fail at.
OWNED = {
    *(set(RESULT_COLUMNS) - SHARED),
    *COLUMNS,
    *("error_mask", "need_validate", "canonical_resultid", "canonical_credit"),
    *("assimilate_state", "assimilate_time", "hr_class", "app_version_id"),
    *("min_quorum", "target_nresults", "full_quorum", "max_total_results", "max_success_results"),
}
WRITERS = {
    "services/scheduler/statements.py",  # the fast path: reports, sending, the full quorum
    "services/lifecycle.py",
}
"""Modules that write rows as a machine has decided. `campaign_life` sets columns by name."""

ROWS = {"CampaignRow", "Workunit", "Result"}

NO_ROWS = {("loaded", "state")}
"""Variables that are no rows, with attributes of the same name."""


def written(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of every attribute set, and of every column of a new row."""
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, ast.AugAssign | ast.AnnAssign):
            targets = [node.target]
        for target in targets:
            for part in target.elts if isinstance(target, ast.Tuple) else [target]:
                if not isinstance(part, ast.Attribute) or not isinstance(part.value, ast.Name):
                    continue
                if part.value.id != "self" and (part.value.id, part.attr) not in NO_ROWS:
                    yield part.lineno, part.attr
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name == "values" or name in ROWS:
                yield from ((node.lineno, word.arg) for word in node.keywords if word.arg)


def offenders(root: Path) -> list[str]:
    return [
        f"{path.relative_to(root)}:{line} writes {name}"
        for path in sorted(root.rglob("*.py"))
        if path.relative_to(root).as_posix() not in WRITERS
        for line, name in written(ast.parse(path.read_text(encoding="utf-8")))
        if name in OWNED
    ]


def test_no_module_of_the_server_writes_a_state_past_the_machine() -> None:
    assert offenders(SERVER) == []


def test_a_raw_update_is_seen(tmp_path: Path) -> None:
    (tmp_path / "deleter.py").write_text(
        "session.execute(update(Result).values(file_delete_state=error))\n"
        "row.state, row.end_reason = state, ''\n"
        "row.next_generation += 1\n"
        "Workunit(name=name, min_quorum=2)\n"
    )
    assert sorted(offenders(tmp_path)) == [
        "deleter.py:1 writes file_delete_state",
        "deleter.py:2 writes end_reason",
        "deleter.py:2 writes state",
        "deleter.py:3 writes next_generation",
        "deleter.py:4 writes min_quorum",
    ]
