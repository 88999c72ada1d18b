"""Run the ``openastro`` command, and write what each phase of ``campaign run-local`` takes.

``python bench/whole/phases.py TABLE.json campaign run-local ...``. The run tells its listener and
its pool of workers how it goes on; the times are taken there, and nothing else is changed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PHASES = ("start", "prepare", "compute", "judge", "merge", "write", "end")
"""Start is Python's and all imports; the imports of workers are in compute."""


class Marks:
    """CPU seconds of the process and its children, at the ends of phases."""

    def __init__(self) -> None:
        self._last = 0.0
        self.seconds = dict.fromkeys(PHASES, 0.0)

    def end(self, phase: str) -> None:
        """Add what was used since the last mark to a phase."""
        times = os.times()
        now = times.user + times.system + times.children_user + times.children_system
        self.seconds[phase] += now - self._last
        self._last = now

    def around(self, call: Callable[..., Any], before: str, after: str) -> Callable[..., Any]:
        """Return a function that ends one phase when it is called, and another when it returns."""

        def marked(*arguments: Any, **named: Any) -> Any:
            self.end(before)
            returned = call(*arguments, **named)
            self.end(after)
            return returned

        return marked


def main(table: Path, words: Sequence[str]) -> None:
    """Run the command; see the module."""
    from apps.images.merge import canonical as reprojection
    from apps.images.merge import image_set
    from apps.images.merge import product as image_product
    from apps.images.plan import units as planner
    from apps.images.validate import check as _  # noqa: F401 - its import belongs to the start
    from server.cli import local_run
    from server.cli import main as openastro
    from server.executors import local

    marks = Marks()
    wrapped: Mapping[Any, tuple[str, str, str]] = {
        planner: ("prepare", "start", "prepare"),
        local.LocalPool: ("run", "prepare", "compute"),
        reprojection: ("merge", "judge", "merge"),
        image_product.ImageProduct: ("write", "merge", "write"),
        image_set.ImageSet: ("write", "merge", "write"),
    }
    assert local_run.LocalPool is local.LocalPool
    for owner, (name, before, after) in wrapped.items():
        setattr(owner, name, marks.around(getattr(owner, name), before, after))
    try:
        openastro(list(words))
    finally:
        marks.end("end")
        table.write_text(json.dumps(marks.seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
