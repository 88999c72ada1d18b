"""What a nested run does in a CPU second, by the number of walks that are advanced together.

``python bench/nested_batch.py [CAMPAIGN FILE]``. The step of the integration is fixed, so that no
search for modes comes before.
"""

from __future__ import annotations

import sys
import time
from dataclasses import replace
from pathlib import Path

from apps.nested.compute.cube import CubeLikelihood
from apps.nested.compute.run import NestedSampler
from apps.nested.compute.settings import NestedSettings
from apps.ttv.plan.campaign_file import posterior_of
from boinc_project.seeds import Stream, stream_key, unit_seed
from work_generator.campaign_file import load_campaign

EXAMPLE = Path(__file__).parents[1] / "examples" / "kepler-307-nested.toml"
BATCHES = (1, 8, 16, 32, 64)
SETTINGS = NestedSettings(
    n_live=256, dlogz=0.01, segment=64, method="rwalk", walks=40, batch=1, max_segments=1000
)


def main() -> None:
    campaign = load_campaign(Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLE)
    seed = unit_seed(campaign.seed, generation=0, index=0)
    keys = stream_key(seed, Stream.PRIOR), stream_key(seed, Stream.CHAIN)
    print("walks at once   likelihoods a CPU second   iterations a CPU second")
    for batch in BATCHES:
        target = CubeLikelihood(posterior_of(campaign.settings, campaign.inputs), None)
        settings = replace(SETTINGS, batch=batch)
        sampler = NestedSampler(settings, *keys, target)
        run = sampler.begin()
        sampler.advance(run)
        n_before, began = target.n_call, time.process_time()
        for _ in range(3):
            sampler.advance(run)
        calls, seconds = target.n_call - n_before, time.process_time() - began
        # Iterations also count what a batch wastes: points that fall behind before they are used.
        iterations = 3 * settings.segment
        print(f"{batch:13d}   {calls / seconds:24.0f}   {iterations / seconds:23.1f}")


if __name__ == "__main__":
    main()
