"""The BOINC client's protocol as values: bytes to frozen dataclasses and back.

``request``/``reply``: the scheduler RPC. ``upload``: the file upload handler. ``account`` and
``project_config``: the RPCs of the attach wizards. ``scanner`` and ``text``: the reading and
writing that they share. Nothing here does I/O except reading a given stream.
"""
