"""The part that volunteers compute with: the application's own, and free of the server's rooms."""

from __future__ import annotations

import subprocess
import sys

from server.contract_kit.finding import Finding, judged
from server.contract_kit.subject import Subject

ROOMS = ("work_generator", "validator", "assimilator", "server", "flask", "sqlalchemy")
PROGRAM = """
import sys
from apps.main import load
app = load(sys.argv[1])
print(app.name, app.version, app.output_file)
print(*(name for name in sys.argv[2:] if name in sys.modules))
"""


def frozen_part(subject: Subject) -> Finding:
    """Import what is frozen in a process of its own."""
    app = subject.app
    path = app.computed_by()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, path, *ROOMS],
        capture_output=True,
        text=True,
        check=False,
    )
    name = "Volunteers get what computes, and nothing of the server"
    if done.returncode:
        words = done.stderr.strip().rpartition("\n")[2]
        return Finding(name, False, f"{path} cannot be imported: {words}")
    *identity, rooms = done.stdout.split("\n")[:2]
    faults = []
    if identity != [f"{app.name} {app.version} {app.output_file}"]:
        faults.append(f"{path} says that it is {identity[0]}.")
    if rooms:
        faults.append(f"{path} imports {', '.join(rooms.split())}: import them where needed.")
    return judged(name, faults, f"{path} is frozen.")
