"""Speed of pattern scaling on data of ClimateBench's size, against a loop of scikit-learn fits.

753 training years of 4 targets on 96 x 144 cells, 86 test years, random numbers in memory. Both
fit the global mean on cumulative CO2 and each cell on the global mean, and predict the test
years; the peer calls ``LinearRegression`` for every cell and target, as emulation notebooks do.
Rounds alternate between the two; medians and their ratio are printed, and the largest difference
of the predictions.

    python benchmarks/emulation/pattern_scaling.py                 # about two minutes on 2 cores
    python benchmarks/emulation/pattern_scaling.py --rows 8 --columns 12 --rounds 1
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LinearRegression

from climbench.grids import latitude_weights
from climbench.models.pattern_scaling import PatternScaling
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample
from climbench.training.data import steady_batch

TRAINING, TEST = 753, 86
Fields = NDArray[np.float32]


def years(signature: Signature, seed: int, count: int) -> Sample:
    """Return years whose fields warm with cumulative CO2, and noise."""
    random = np.random.default_rng(seed)
    co2 = np.linspace(-1.5, 2.5, count, dtype=np.float32)
    pattern = np.random.default_rng(0).normal(1, 0.3, (4, *signature.shape)).astype(np.float32)
    noise = random.standard_normal((count, 4, *signature.shape), dtype=np.float32)
    fields = torch.from_numpy(co2[:, None, None, None] * pattern + 0.3 * noise)[:, None]
    small = random_sample(replace(signature, latitude=(0.0,), longitude=(0.0,)), count)
    inputs = torch.from_numpy(co2)[:, None, None, None, None].expand(-1, 1, 1, *signature.shape)
    return small._replace(inputs=inputs, targets=fields)


def batches(sample: Sample, size: int) -> list[Sample]:
    """Return the years in batches, as the training gives them."""
    parts = zip(
        *(
            torch.split(values, size)
            for name, values in sample._asdict().items()
            if name != "static"
        ),
        strict=True,
    )
    names = [name for name in Sample._fields if name != "static"]
    return [Sample(static=sample.static, **dict(zip(names, part, strict=True))) for part in parts]


def climbench(train: list[Sample], test: list[Sample], signature: Signature) -> Fields:
    """Return the predictions of climbench's model."""
    model = PatternScaling(signature)
    with torch.inference_mode():
        for part in train:
            model.accumulate(part)
        model.solve()
        return torch.cat([model(part)[:, 0] for part in test]).numpy()


def cell_by_cell(train: list[Sample], test: list[Sample], signature: Signature) -> Fields:
    """Return the predictions of one scikit-learn regression per cell and target."""
    weights = latitude_weights(signature.latitude, "area")

    def arrays(parts: list[Sample]) -> tuple[Fields, Fields]:
        co2 = torch.cat([part.inputs[:, 0, 0, 0, 0] for part in parts]).numpy()
        return co2[:, None], torch.cat([part.targets[:, 0] for part in parts]).flatten(1).numpy()

    (co2, fields), (new, _) = arrays(train), arrays(test)
    first = fields[:, : fields.shape[1] // 4].reshape(len(fields), *signature.shape)
    mean = np.average(first.mean(-1), axis=-1, weights=weights)[:, None]
    warm = LinearRegression().fit(co2, mean[:, 0]).predict(new)[:, None]
    answer = np.empty((len(new), fields.shape[1]), dtype=np.float32)
    for cell in range(fields.shape[1]):
        answer[:, cell] = LinearRegression().fit(mean, fields[:, cell]).predict(warm)
    return answer.reshape(len(new), 4, *signature.shape)


def timed(call: Callable[..., Fields], *arguments: object) -> tuple[float, Fields]:
    """Return the seconds of a call and what it returned."""
    start = time.perf_counter()
    answer = call(*arguments)
    return time.perf_counter() - start, answer


def main(rows: int, columns: int, rounds: int) -> None:
    """Print both times, their ratio and the difference of the predictions."""
    signature = replace(
        GLOBAL,
        inputs=("carbon_dioxide",),
        forcings=(),
        static=(),
        targets=("tas", "diurnal_temperature_range", "pr", "pr90"),
        history=1,
        leads=1,
        latitude=tuple(np.linspace(-90, 90, rows).tolist()),
        longitude=tuple((360 / columns * np.arange(columns)).tolist()),
    )
    size = steady_batch(signature, 32)
    train = batches(years(signature, 1, TRAINING), size)
    test = batches(years(signature, 2, TEST), size)
    climbench(train, test, signature)  # warm up
    ours, theirs = [], []
    for _ in range(rounds):
        seconds, fast = timed(climbench, train, test, signature)
        ours.append(seconds)
        seconds, slow = timed(cell_by_cell, train, test, signature)
        theirs.append(seconds)
    cells = 4 * rows * columns
    print(f"{TRAINING} + {TEST} years, {cells} series, {torch.get_num_threads()} threads")
    print(f"climbench              {statistics.median(ours):8.3f} s  (median of {rounds})")
    print(f"scikit-learn per cell  {statistics.median(theirs):8.3f} s")
    print(f"ratio                  {statistics.median(theirs) / statistics.median(ours):8.0f}")
    print(f"largest difference     {np.abs(fast - slow).max():8.1e}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--columns", type=int, default=144)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="on a busy machine, threads wait")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    main(options.rows, options.columns, options.rounds)
