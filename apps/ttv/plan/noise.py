"""The section ``[noise]`` of a campaign file: how measured times scatter about the model's."""

from __future__ import annotations

from typing import Any

from apps.ttv.compute import noise
from apps.ttv.compute.settings import JITTER
from apps.ttv.plan.priors import Parameter, read_stated
from boinc_project.toml_source import TomlTable
from work_generator.quantities import Quantity

NOISE_KEYS = ("kind", "degrees", "jitter")

# Beyond a day no transit has a number any more.
_JITTER = Parameter(
    Quantity("min", "minutes", {"days": (1440.0, 0.0), "hours": (60.0, 0.0), "s": (1 / 60, 0.0)}),
    0.0,
    1440.0,
    '{ prior = "half_normal", sigma = 2.0, unit = "min" }',
    ("half_normal", "uniform", "log_uniform", "truncated_normal"),
)


def read_noise(root: TomlTable) -> tuple[dict[str, Any] | None, list[dict[str, Any]]]:
    """Return ``settings["noise"]``, or None, and the jitter's parameter, if any.

    Raises
    ------
    InputError
        If a key has a wrong value.
    """
    if "noise" not in root:
        return None, []
    table = root.optional_table("noise", NOISE_KEYS)
    kind = table.text("kind", example=noise.KINDS[0], default=noise.KINDS[0])
    if kind not in noise.KINDS:
        table.fail("kind", f'there is no noise "{kind}": write one of {", ".join(noise.KINDS)}')
    found: dict[str, Any] = {"kind": kind}
    if "degrees" in table:
        if kind != "student_t":
            table.fail("degrees", f"{kind} noise has no degrees of freedom: leave degrees out")
        found["degrees"] = table.positive("degrees")
    elif kind == "student_t":
        found["degrees"] = noise.DEFAULT_DEGREES
    if "jitter" not in table:
        return found, []
    return found, [{"name": JITTER, **read_stated(table, "jitter", "jitter", _JITTER)}]
