"""What all canonical outputs say together: merge, diagnose, plot, provenance. Pure."""

from __future__ import annotations
