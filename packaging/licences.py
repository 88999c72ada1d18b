"""The text that states whose work is in the bundle, and under which licences."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path

from tools import run

# Runs inside the freezing environment: only what is installed there can be in the bundle.
COLLECT = """
import json
from importlib.metadata import distributions
found = []
for distribution in distributions():
    meta = distribution.metadata
    texts = []
    for path in distribution.files or ():
        name = path.name.upper()
        if ".dist-info" in str(path) and name.startswith(("LICEN", "COPYING", "NOTICE")):
            texts.append(distribution.locate_file(path).read_text("utf-8", "replace"))
    classifiers = [c.split("::")[-1].strip() for c in meta.get_all("Classifier") or ()
                   if c.startswith("License ::")]
    licence = meta.get("License-Expression") or "; ".join(classifiers) or meta.get("License") or ""
    urls = [url.split(",", 1)[1].strip() for url in meta.get_all("Project-URL") or ()]
    found.append({"name": meta["Name"], "version": distribution.version,
                  "licence": " ".join(licence.split())[:200], "texts": texts,
                  "home": meta.get("Home-page") or (urls[0] if urls else "")})
print(json.dumps(sorted(found, key=lambda one: one["name"].lower())))
"""

PREFACE = """\
This program is part of OpenAstro@home and is free software: you can redistribute it and/or modify
it under the terms of the GNU General Public License as published by the Free Software Foundation,
either version 2 of the License, or (at your option) any later version. It comes with ABSOLUTELY NO
WARRANTY. Its sources are at the project that sent it to you.

{ttvfast}It also contains Python (PSF licence) and what the freezer adds: the PyInstaller
bootloader (GPL version 2 or later, with an exception that allows bundling programs under any
licence).

The packages that the app was frozen from:

"""


TTVFAST = """\
It contains TTVFast (Deck, Agol, Holman, Nesvorny 2014, ApJ 787, 132) through the Python package
ttvfast, which is under the GNU General Public License, version 2. The bundle as a whole is
therefore distributed under that licence.

"""


def licences_text(program: Path, project_licence: str) -> str:
    """Return the bundle's LICENSES file.

    Parameters
    ----------
    program : Path
        Python of the freezing environment.
    project_licence : str
        The project's own licence text; may be empty.
    """
    found = json.loads(run([program, "-I", "-c", COLLECT], what="Collecting licences"))
    lines = [preface({package["name"] for package in found})]
    for one in found:
        lines.append(f"{one['name']} {one['version']}: {one['licence']} {one['home']}".rstrip())
    for one in found:
        for text in one["texts"]:
            lines.append(f"\n{'=' * 78}\n{one['name']} {one['version']}\n{'=' * 78}\n{text}")
    if project_licence:
        lines.append(f"\n{'=' * 78}\nOpenAstro@home\n{'=' * 78}\n{project_licence}")
    return "\n".join(lines) + "\n"


def preface(packages: Collection[str]) -> str:
    """Return the first words, given the names of the packages that the app was frozen from."""
    return PREFACE.format(ttvfast=TTVFAST if "ttvfast" in packages else "")
