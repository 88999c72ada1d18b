"""The life of workunits and results, as a machine without input and output.

Every change of state is ``(state, event) -> (state, effects)``: states, events and effects are
frozen values, the clock is part of the event, and nothing here knows of rows, files or sockets.
The server loads a state from its rows, handles one event, writes the new state and carries the
effects out, in one transaction.

There are two levels. `boinc_project.lifecycle.result` decides what concerns one result alone, so
that sending and reporting touch one result. `boinc_project.lifecycle.workunit` decides what takes
all results of a workunit together. The rules are those of BOINC's ``sched/transitioner.cpp``,
``sched/validator.cpp`` and ``sched/sched_result.cpp``; where ours differ, the docstring says so.
"""

from __future__ import annotations
