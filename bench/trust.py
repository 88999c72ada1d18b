"""What is caught, and at which price: ``python bench/trust.py``; ten minutes of one core.

Every kind of falsehood of `tests.adversarial` is made from honest results of real units: chains,
nested runs and images. Check, audit and comparison judge each of them, the audit with many secret
seeds. From these verdicts three policies are simulated (see ``bench/trust_policies.py``), ten false
results of a host one after the other.

A host is *caught* when one of its ten false results is found out. The extra compute is that of
second and third results and of audits, in units, for each of the ten. Intervals are those of
Clopper and Pearson, 95 %. Kinds with 0.99 or more are not missed; biases below half a standard
deviation are listed apart.

The same run measures what check and audit cost (``bench/trust_cost.py``), and how often honest
results are refused: by check and audit on an unlike platform, and by the comparison in pairs (see
``bench/trust_pairs.py``). Progress goes to stderr. The last line is JSON:

- ``false_rejection``: part of honest pairs that were said to disagree, of those judged, and
  ``false_rejection_upper``, the upper end of its interval;
- ``audit_cost``: CPU of an audit over that of a unit of the planner's size; ``audit_cost_small``
  for units of seconds;
- ``honest``: what check and audit say of honest results, by app;
- ``kinds``, ``missed_kinds``, ``missed_subtle_biases``: how many, and which are not caught by ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for tests.adversarial

from apps.images.output import open_reprojection_output
from apps.images.validate import check as reprojection
from apps.nested.output import read_nested_output
from apps.nested.validate import check as nested
from apps.ttv.output import read_ttv_output
from apps.ttv.validate import check as ttv
from bench import trust_cost, trust_pairs
from bench.tables import show
from bench.trust_cost import Cost, inputs_of
from bench.trust_policies import (
    N_FALSE,
    POLICIES,
    Falsehood,
    Rate,
    Seen,
    interval,
    simulate,
)
from boinc_project import application
from boinc_project.errors import OutputError
from boinc_project.judge import Judge
from boinc_project.unit import Unit
from boinc_project.verdict import Verdict
from tests.adversarial import campaign
from tests.adversarial.images import IMAGE_KINDS
from tests.adversarial.kinds import KINDS, NESTED_KINDS, Honest, honest
from tests.unit.apps.images.validate.reprojection_case import Case
from tests.unit.apps.nested.validate import nested_case, unlike

ENOUGH = 0.99
SUBTLE = 0.5
ALL_SECONDS = 1e9
"""A budget that ends no audit: what ends it is its share of the unit's likelihoods."""
ONE_TILE = 0.0
"""A budget for one tile: 2 % of units as small as those of the tests would not pay for it."""
IMAGES: tuple[dict[str, Any], ...] = ({"kind": "steps", "step_sigma": 0.25}, {"kind": "float"})

Say = Callable[[str], None]


def look(
    app: Judge,
    read: Callable[[Path], object],
    unit: Unit,
    inputs: dict[str, Path],
    outputs: tuple[Path, Path],
    *,
    n_audit: int,
    budget: float = ALL_SECONDS,
) -> Seen:
    """Judge the false one of two outputs; the other is an honest one."""
    false, true = outputs
    try:
        read(false)
    except OutputError:
        return Seen(False, False, (False,), False)
    assert app.audit is not None
    passes = app.check(unit, false, inputs).is_valid
    # What fails its check is not audited: a policy with audits has checks, too.
    audits = tuple(
        app.audit(unit, false, inputs, rng=np.random.default_rng([seed, 5]), budget=budget).is_valid
        for seed in range(n_audit if passes else 1)
    )
    return Seen(True, passes, audits, app.compare(unit, false, true).is_valid)


def chains(n_unit: int, n_audit: int, directory: Path) -> Iterator[Falsehood]:
    """Forge chains."""
    for kind in KINDS:
        seen = []
        for index in range(n_unit):
            one = honest(index)
            inputs, true = inputs_of(one.unit, directory), one.write(directory / "honest.h5")
            pair = kind.forge(one, directory / "false.h5"), true
            seen.append(look(ttv, read_ttv_output, one.unit, inputs, pair, n_audit=n_audit))
        yield Falsehood(kind.name, seen, kind.host, kind.elapsed, kind.bias)


def runs(n_audit: int, directory: Path) -> Iterator[Falsehood]:
    """Forge nested runs, all of one unit."""
    case = nested_case.case()
    inputs, true = case.inputs(directory), case.write(directory, name="nested.h5")
    for forge in NESTED_KINDS:
        pair = forge(case.output, directory / "false.h5"), true
        seen = look(nested, read_nested_output, case.unit, inputs, pair, n_audit=n_audit)
        yield Falsehood(_name(forge), [seen])


def images(n_audit: int, directory: Path) -> Iterator[Falsehood]:
    """Forge images, stored as steps and as floats."""
    cases = [Case(directory / str(one["kind"]), output=one) for one in IMAGES]
    for forge in IMAGE_KINDS:
        seen = [
            look(
                *(reprojection, _open, case.unit, case.inputs, (forge(case), case.output)),
                n_audit=n_audit,
                budget=ONE_TILE,
            )
            for case in cases
        ]
        alone = application.get("reprojection").judging().one_word_is_enough(cases[0].unit)
        yield Falsehood(f"image: {_name(forge)}", seen, alone=alone)


def _open(path: Path) -> None:
    with open_reprojection_output(path):
        pass


def _name(forge: Callable[..., Path]) -> str:
    return forge.__name__.replace("_", " ")


@dataclass(slots=True)
class Honestly:
    """What check and audit say of honest outputs of an app."""

    judged: int = 0
    refused: int = 0
    doubted: int = 0

    def add(self, verdict: Verdict) -> None:
        """Count one more."""
        self.judged += 1
        self.refused += verdict.is_invalid
        self.doubted += not (verdict.is_valid or verdict.is_invalid)

    @property
    def upper(self) -> float:
        """The upper end of the interval of the rate of refusals."""
        return interval(self.refused, self.judged)[1]


def refused(n_unit: int, n_audit: int, directory: Path) -> dict[str, Honestly]:
    """Count what check and audit say of honest results, by app.

    Chains and nested runs are those of an unlike platform; images are the same on all. `n_audit`
    are made of each chain, of runs and images a tenth of it: their audits take longer.
    """
    found = {name: Honestly() for name in ("ttv_mcmc", "ttv_nested", "reprojection")}

    def judge(name: str, unit: Unit, path: Path, inputs: dict[str, Path], n: int) -> None:
        app = application.get(name).judging()
        assert app.audit is not None
        found[name].add(app.check(unit, path, inputs))
        for seed in range(n):
            rng, budget = np.random.default_rng([seed, 6]), ALL_SECONDS
            found[name].add(app.audit(unit, path, inputs, rng=rng, budget=budget))

    few = -(-n_audit // 10)
    for index in range(n_unit):
        unit = honest(index).unit
        other = Honest(unit, unlike.ttv_output(unit, index, campaign.table()))
        path = other.write(directory / "else.h5")
        judge("ttv_mcmc", unit, path, inputs_of(unit, directory), n_audit)
        nested_unit = nested_case.make_unit(index)
        run = nested_case.NestedCase(nested_unit, unlike.nested_output(nested_unit, index))
        path = run.write(directory, name=f"run {index}.h5")
        judge("ttv_nested", nested_unit, path, run.inputs(directory), few)
    for one in IMAGES:
        image = Case(directory / f"honest {one['kind']}", output=one)
        judge("reprojection", image.unit, image.output, image.inputs, few)
    return found


def main() -> int:
    """Measure, simulate, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--units", type=int, default=2, help="honest chains to forge")
    parser.add_argument("--audits", type=int, default=20, help="secret seeds for each output")
    parser.add_argument("--honest", type=int, default=200, help="audits of each honest output")
    parser.add_argument("--hosts", type=int, default=1000, help="simulated hosts of each kind")
    parser.add_argument("--pairs", type=int, default=10_000, help="honest pairs; 0: none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", action="store_true", help="tables as the documentation's")
    options = parser.parse_args()
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text}", file=sys.stderr, flush=True)

    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        say("what an audit costs")
        small = [trust_cost.small(index, directory) for index in range(options.units)]
        long = trust_cost.planned(directory)
        rates: dict[str, dict[str, Rate]] = {}
        biases: dict[str, float] = {}
        for forged in (
            chains(options.units, options.audits, directory),
            runs(options.audits, directory),
            images(options.audits, directory),
        ):
            for kind in forged:
                rates[kind.name] = {
                    title: simulate(kind, policy, options.hosts, rng)
                    for title, policy in POLICIES.items()
                }
                biases[kind.name] = kind.bias
                say(f"{len(rates)} {kind.name}: {rates[kind.name]['ours']}")
        say("honest results")
        honestly = refused(options.units, options.honest, directory)
    show(
        f"Hosts caught within {N_FALSE} false results, and extra compute a result",
        ("kind", *POLICIES),
        kind_rows(rates),
        markdown=options.markdown,
    )
    show(
        "CPU of check and audit, of that of the unit",
        ("unit", "check", "audit", "likelihoods planned", "segments of those planned"),
        cost_rows(small, long),
        markdown=options.markdown,
    )
    show(
        "Checks and audits of honest results, of unlike platforms",
        ("app", "judged", "refused", "95 % up to", "in doubt"),
        [
            [name, str(one.judged), str(one.refused), f"{one.upper:.1e}", str(one.doubted)]
            for name, one in honestly.items()
        ],
        markdown=options.markdown,
    )
    pairs: dict[str, Any] = {}
    if options.pairs:
        pairs = trust_pairs.measure(options.pairs, say=say, markdown=options.markdown)
    say("done")
    print(
        json.dumps(
            _summary(rates, biases, small, long, pairs)
            | {"honest": {name: asdict(one) for name, one in honestly.items()}}
        )
    )
    return 0


def kind_rows(rates: dict[str, dict[str, Rate]]) -> list[list[str]]:
    """Return the main table."""
    return [[name, *(str(found[one]) for one in POLICIES)] for name, found in rates.items()]


def cost_rows(small: list[Cost], long: Cost) -> list[list[str]]:
    """Return what check and audit cost."""
    return [
        [
            f"{one.unit:.1f} s",
            f"{one.check / one.unit:.3%}",
            f"{one.audit / one.unit:.3%}",
            f"{one.share:.3%}",
            f"{one.segments} of {one.planned}",
        ]
        for one in (*small, long)
    ]


def _summary(
    rates: dict[str, dict[str, Rate]],
    biases: dict[str, float],
    small: list[Cost],
    long: Cost,
    pairs: dict[str, Any],
) -> dict[str, Any]:
    missed = [name for name, found in rates.items() if found["ours"].share < ENOUGH]
    subtle = [name for name in missed if 0.0 < biases[name] < SUBTLE]
    unit = sum(one.unit for one in small)
    return {
        "false_rejection": pairs.get("false_rejection"),
        "false_rejection_upper": pairs.get("false_rejection_upper"),
        "pairs_judged": pairs.get("judged"),
        "audit_cost": round(long.audit / long.unit, 5),
        "audit_cost_small": round(sum(one.audit for one in small) / unit, 5),
        "kinds": len(rates),
        "missed_kinds": [name for name in missed if name not in subtle],
        "missed_subtle_biases": subtle,
    }


if __name__ == "__main__":
    sys.exit(main())
