"""From a campaign file to sealed workunits: schema, planning, top-up and stop rules. Pure."""

from __future__ import annotations
