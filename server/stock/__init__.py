"""Under a stock BOINC server: what it needs of us, and our judges as programs of its daemons.

`export` writes app versions, templates, jobs and configuration entries. `programs` are what
``script_validator`` and ``script_assimilator`` run (``sched/script_validator.cpp``,
``sched/script_assimilator.cpp``): files in, exit status out.
"""

from __future__ import annotations
