"""A prepared campaign as canonical JSON, as the database keeps it."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

from boinc_project.campaign import Campaign, Published, Quorum, StopRule
from boinc_project.errors import InputError
from boinc_project.input_store import StoredInput
from boinc_project.unit import canonical_json

FORMAT = 1


def to_definition(campaign: Campaign) -> bytes:
    """Return the canonical JSON of a campaign; `from_definition` gives the same campaign back.

    Small input files are kept in base64: they are measured values of any encoding, not ours to
    read. Of large ones there are only digests.
    """
    value = asdict(campaign)
    value["inputs"] = {
        name: base64.b64encode(data).decode("ascii") for name, data in campaign.inputs.items()
    }
    return canonical_json({"format": FORMAT, **value})


def from_definition(data: bytes) -> Campaign:
    """Read a campaign from its definition.

    Raises
    ------
    InputError
        If it is not a definition that this version can read.
    """
    try:
        value = json.loads(data)
        if value.pop("format") != FORMAT:
            raise ValueError("it has another format")
        value["inputs"] = {
            name: base64.b64decode(text, validate=True) for name, text in value["inputs"].items()
        }
        value["quorum"] = Quorum(**value["quorum"])
        value["stop"] = StopRule(**value["stop"])
        value["files"] = {name: StoredInput(**one) for name, one in value.get("files", {}).items()}
        value["published"] = tuple(Published(**item) for item in value["published"])
        return Campaign(**value)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"A stored campaign definition cannot be read: {error!r}.") from error
