"""Speed of 1,000 pattern scalings of member subsets, with their scores.

Fifty made-up members on the grid of ClimateBench (96 x 144 cells), 423 training years; 20 draws
of each number of members from 1 to 50. Every fit is scored over 21 years on the mean of all
members and on those that it did not see, by the four errors of the experiment.

    python benchmarks/emulation/member_subsets.py
"""

import resource
import time

import numpy as np

from climbench.experiments.internal_variability.draws import shares_of
from climbench.experiments.internal_variability.lines import SubsetLines, predict_lines
from climbench.experiments.internal_variability.truth import MemberTruth
from climbench.metrics import Regions, get_metric, region_weights
from climbench.tasks.members import draw_members

MEMBERS, YEARS, SCORED, ROWS, COLUMNS, SEEDS = 50, 423, 21, 96, 144, 20
METRICS = ("nrmse_spatial(norm=none)", "nrmse_global(norm=none)", "nrmse_spatial", "nrmse_global")


def main() -> None:
    """Make the data, then print how long each part takes."""
    random = np.random.default_rng(0)
    cells = ROWS * COLUMNS
    emitted = np.linspace(0.0, 5000.0, YEARS + SCORED)
    pattern = 1 + 0.5 * random.standard_normal(cells)
    forced = (5e-4 * emitted[:, None] * pattern).astype(np.float32)
    fields = np.empty((MEMBERS, YEARS + SCORED, cells), dtype=np.float32)
    for member in fields:
        random.standard_normal(out=member, dtype=np.float32)
        member += forced
    latitude, longitude = np.linspace(-90, 90, ROWS), np.arange(COLUMNS) * 2.5
    regions = Regions(region_weights(latitude, longitude, ["global"]))
    drawn = [draw_members(MEMBERS, n, seed) for n in range(1, MEMBERS + 1) for seed in range(SEEDS)]

    start = time.perf_counter()
    shares = shares_of(drawn, MEMBERS)
    training = fields[:, :YEARS]
    mean = np.stack([regions.mean(member)[:, 0] for member in training])
    lines = SubsetLines(emitted[:YEARS], mean, shares)
    first, second = lines.global_lines(), lines.local_lines(training)
    fitted = time.perf_counter()
    truth = MemberTruth(
        fields[:, YEARS:].astype(np.float64), regions, [get_metric(name) for name in METRICS]
    )
    scores = truth.scores(
        lambda rows: predict_lines(
            type(first)(*(part[rows] for part in first)),
            type(second)(*(part[rows] for part in second)),
            emitted[YEARS:],
        ),
        shares,
    )
    scored = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(drawn)} fits {fitted - start:.1f} s, scores {scored - fitted:.1f} s")
    print(
        f"total {scored - start:.1f} s, peak memory {peak:.1f} GiB of which data "
        f"{fields.nbytes / 2**30:.1f} GiB; RMSE of the map at n = 1 and 50: "
        f"{scores['all'][0, :SEEDS].mean():.4f}, {scores['all'][0, -SEEDS:].mean():.4f}"
    )


if __name__ == "__main__":
    main()
