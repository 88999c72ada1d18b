"""CPU seconds that commands on images spend on imports, each in a process of its own.

``python bench/imports.py``. The last line is JSON; ``import_s`` is what `openastro campaign plan`
of images imports, ``run_local_s`` what `run-local` does.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys

COMMANDS = {
    "help": "import server.cli",
    "astropy_s": "import astropy.io.fits, astropy.wcs, astropy.coordinates",
    "import_s": "import server.cli, server.cli.plan_report, apps.images.plan.units",
    "run_local_s": (
        "import server.cli, server.cli.local_run, apps.images.plan.units, "
        "apps.images.validate.check, apps.images.merge.canonical, apps.images.merge.pictures"
    ),
    "worker_s": "import server.executors.worker, apps.images.compute.unit",
}
"""Statements, by the names of their times; ``astropy_s`` is what no command on images can do
without."""
MEASURE = "import time; start = time.process_time(); {}; print(time.process_time() - start)"


def seconds(statement: str, times: int) -> float:
    """Return the median CPU seconds of a statement in a new process."""
    single = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-c", MEASURE.format(statement)]
    subprocess.run(command, check=True, capture_output=True, env=single)  # writes the byte code
    taken = [
        float(subprocess.run(command, check=True, capture_output=True, env=single).stdout)
        for _ in range(times)
    ]
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure imports.")
    parser.add_argument("--times", type=int, default=7, help="processes for each median")
    times = parser.parse_args().times
    medians = {name: round(seconds(statement, times), 3) for name, statement in COMMANDS.items()}
    for name, value in medians.items():
        print(f"{name:12} {value:6.3f} s  {COMMANDS[name]}")
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
