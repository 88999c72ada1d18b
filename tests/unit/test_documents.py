"""The documents: their links lead somewhere, and nothing that a developer writes is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from boinc_project.application import Application

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    path
    for path in [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    if path.name != "CHANGELOG.md"  # old entries name files that are gone
)
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")
ROOMS = "boinc_project|apps|work_generator|validator|assimilator|server"
# Names in capitals stand for something else.
IN_CODE = re.compile(rf"`((?:{ROOMS})/(?![A-Z])[^`\s]+)`")


REFERENCE = re.compile(rf"`((?:{ROOMS})(?:\.\w+)+)`")
SOURCES = sorted(path for room in ROOMS.split("|") for path in (ROOT / room).rglob("*.py"))


def leads_somewhere(reference: str) -> bool:
    """Tell whether a module, and a name in it, are there; compiled ones may not be built."""
    place, parts = ROOT, reference.split(".")
    while parts and (place / parts[0]).is_dir():
        place /= parts.pop(0)
    if not parts or parts[0] in ("_kernel", "_rice"):
        return True
    module = place / f"{parts[0]}.py"
    if module.is_file():
        parts.pop(0)
    else:
        module = place / "__init__.py"
    return not parts or re.search(rf"\b{parts[0]}\b", module.read_text("utf-8")) is not None


def test_references_of_docstrings_lead_somewhere() -> None:
    lost = [
        f"{path.relative_to(ROOT)}: {reference}"
        for path in [*SOURCES, *PAGES]
        for reference in REFERENCE.findall(path.read_text("utf-8"))
        if not leads_somewhere(reference)
    ]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_and_paths_lead_somewhere(page: Path) -> None:
    text = page.read_text("utf-8")
    links = [link for link in LINK.findall(text) if "://" not in link]
    lost = [link for link in links if not (page.parent / link).exists()]
    for path in IN_CODE.findall(text):
        name = re.split(r"[:*{,]", path)[0]
        if not (ROOT / name).exists() and "*" not in path:
            lost.append(path)
    assert lost == []


def test_every_decision_is_in_the_index() -> None:
    index = (DOCS / "decisions" / "README.md").read_text("utf-8")
    pages = sorted(path.name for path in (DOCS / "decisions").glob("[0-9]*.md"))
    assert re.findall(r"\(([0-9]{3}-[^)]+)\)", index) == pages
    for number, name in enumerate(pages, 1):
        assert name.startswith(f"{number:03d}-")
        title = (DOCS / "decisions" / name).read_text("utf-8").partition("\n")[0]
        assert f"[{title.removeprefix('# ')}]({name})" in index


def test_every_name_of_the_contract_is_documented() -> None:
    page = (DOCS / "developer" / "application.md").read_text("utf-8")
    names = {name for name in dir(Application) if not name.startswith("_")}
    names |= set(Application.__annotations__) | {"name", "version"}
    assert {name for name in names if f"`{name}`" not in page} == set()
