"""Speed of fitting: every model of conf/model on random weather of 5 channels, 32 x 64 cells.

Closed-form models fit all samples; networks take training steps for some seconds. Prints samples
per second by the wall clock and by processor time, and the peak memory of the process so far.

    python benchmarks/models.py                                # 6000 samples, laptop models
    python benchmarks/models.py --samples 1000 resnet vit      # others
"""

import argparse
import resource
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
import yaml

from climbench.config import instantiate
from climbench.models.closed_form import ClosedForm
from climbench.testing.model_contract import GLOBAL, random_sample

MODELS = ["climatology", "linear_regression", "resnet_small", "vit_small"]
CHANNELS = tuple(f"channel_{number}" for number in range(5))
WEATHER = replace(
    GLOBAL,
    inputs=CHANNELS,
    targets=CHANNELS,
    forcings=(),
    history=1,
    leads=1,
    latitude=tuple(-87.1875 + 5.625 * row for row in range(32)),
    longitude=tuple(5.625 * column for column in range(64)),
)


def measure(name: str, samples: int, batch: int, seconds: float) -> None:
    """Fit one model and print how fast that went."""
    path = Path(__file__).parents[1] / "conf" / "model" / f"{name}.yaml"
    model = instantiate(yaml.safe_load(path.read_text())["network"], signature=WEATHER)
    sample = random_sample(WEATHER, batch)
    wall, processor, done = time.perf_counter(), time.process_time(), 0
    if isinstance(model, ClosedForm):
        for done in range(batch, samples + 1, batch):
            model.accumulate(sample._replace(index=torch.arange(done - batch, done)))
        model.solve()
    else:
        optimizer = torch.optim.AdamW(model.parameters())
        while time.perf_counter() - wall < seconds:
            optimizer.zero_grad()
            (model(sample) - sample.targets).square().mean().backward()
            optimizer.step()
            done += batch
    wall, processor = time.perf_counter() - wall, time.process_time() - processor
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB here
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit
    print(
        f"{name:24s}{done:6d} samples in {wall:6.1f} s, {done / wall:7.1f} a second, "
        f"{done / processor:7.1f} a processor second; peak {peak:5.0f} MiB",
        flush=True,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--samples", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads")
    for chosen in options.models:
        measure(chosen, options.samples, options.batch, options.seconds)
