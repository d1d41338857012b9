"""Read one epoch with one loader in this process and print its figures as JSON; run.py calls this.

An epoch before the measured one warms the page cache. ``first`` is the time from the opening of
the data to the first batch, imports and packing not counted.
"""

import json
import resource
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from inputs import MEAN, STD, STEP, names

HISTORY, LEAD, TARGETS = 3, 72, 3
Batches = Iterable[tuple[torch.Tensor, torch.Tensor]]


def climbench(options: dict, method: str, normalise: bool = True) -> Callable[[], Batches]:
    """Our loader as training uses it, with the scaling that its module does."""
    import pint  # noqa: F401  # which xarray imports when it first sees values
    from torch import nn

    from climbench.store.reading import Reading
    from climbench.tasks import DirectForecasting
    from climbench.tasks.task import Normalisation
    from climbench.training.data import Batches, Loader
    from climbench.training.module import FittedModule

    def epochs() -> Callable[[], Batches]:
        task = task_of(DirectForecasting, options)
        task.reading = Reading(method)
        samples = task.split("train")
        channels = names(options["channels"])
        scale = Normalisation(
            *map(tuple, (channels, [MEAN] * len(channels), [STD] * len(channels)))
        )
        module = FittedModule(nn.Identity(), task.signature, scale, {})
        batches = Batches(len(samples), options["batch"], shuffle=options["shuffle"])
        loader = Loader(samples, batches, options["workers"])

        def epoch() -> Batches:
            for batch in loader:
                batch = module.normalise(batch, overwrite=True) if normalise else batch
                yield batch.inputs, batch.targets[:, 0]

        return epoch

    return epochs


def task_of(protocol, options: dict):
    """Return the forecast: the year is trained on, the days after it are the other splits."""
    year = np.datetime64("2001-01-01") + np.timedelta64(options["year"], "h")
    day = np.timedelta64(1, "D")
    channels = names(options["channels"])
    return protocol(
        store=Path(options["folder"]) / "ours" / "store.zarr",
        inputs=channels,
        targets=channels[:TARGETS],
        lead_times=(options["lead"],),
        history=options["history"],
        train=("2001-01-01", str(year - np.timedelta64(1, "h"))),
        validation=(str(year), str(year + 4 * day - np.timedelta64(1, "h"))),
        test=(str(year + 4 * day), str(year + 8 * day - np.timedelta64(1, "h"))),
    )


def windows(options: dict) -> tuple[np.ndarray, np.ndarray]:
    """Return the steps of inputs ``[window, history]`` and of targets ``[window]``."""
    last = options["history"] - 1
    count = options["year"] // STEP - last - options["lead"] // STEP
    start = np.arange(count)
    if options["shuffle"]:
        np.random.default_rng(0).shuffle(start)
    return start[:, None] + np.arange(last + 1), start + last + options["lead"] // STEP


def memmap(options: dict, normalise: bool = True) -> Callable[[], Callable[[], Batches]]:
    """Read one flat file as one would write it: indexing by arrays, scaling of whole batches."""

    def epochs() -> Callable[[], Batches]:
        flat = np.load(Path(options["folder"]) / "ours" / "flat.npy", mmap_mode="r")
        inputs, targets = windows(options)

        def epoch() -> Batches:
            for begin in range(0, len(inputs), options["batch"]):
                at = slice(begin, begin + options["batch"])
                x, y = flat[inputs[at]], flat[targets[at], :TARGETS]
                if normalise:
                    for fields in (x, y):
                        fields -= MEAN
                        fields /= STD
                yield torch.from_numpy(np.asarray(x)), torch.from_numpy(np.asarray(y))

        return epoch

    return epochs


def climatelearn(options: dict) -> Callable[[], Callable[[], Batches]]:
    """ClimateLearn's validation loader: its training loader fills a buffer of samples first."""
    for name in ("nms", "qnms"):  # torchvision for GPUs wants these from a torch without
        schema = "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
        torch.library.define(f"torchvision::{name}", schema)
    from climate_learn.data import IterDataModule

    def epochs() -> Callable[[], Batches]:
        folder, channels = str(Path(options["folder"]) / "peer"), names(options["channels"])
        data = IterDataModule(
            *("direct-forecasting", folder, folder, channels, channels[:TARGETS]),
            src="era5",
            history=options["history"],
            window=STEP,
            pred_range=options["lead"],
            subsample=STEP,
            batch_size=options["batch"],
            num_workers=options["workers"],
        )
        data.setup()
        return lambda: ((batch[0], batch[1]) for batch in data.val_dataloader())

    return epochs


def loaders(options: dict) -> dict[str, Callable]:
    """Return what opens each loader, without importing what others need."""
    return {
        "climbench": lambda: climbench(options, "auto"),
        "climbench mmap": lambda: climbench(options, "mmap"),
        "climbench zarr": lambda: climbench(options, "zarr"),
        "climbench, not scaled": lambda: climbench(options, "auto", normalise=False),
        "npy memmap": lambda: memmap(options),
        "npy memmap, not scaled": lambda: memmap(options, normalise=False),
        "ClimateLearn": lambda: climatelearn(options),
    }


def prepare(options: dict) -> dict[str, float]:
    """Write the data and the packed copy; return the seconds of packing."""
    import inputs

    from climbench.tasks import DirectForecasting

    inputs.prepare(Path(options["folder"]), options["channels"], options["year"])
    start = time.perf_counter()
    task_of(DirectForecasting, options).split("train")
    return {"packing": time.perf_counter() - start}


def stall(options: dict) -> dict[str, float]:
    """Return the share of the time in which a small residual network waits for its loader."""
    from torch import nn

    channels, width = options["channels"] * options["history"], 32
    layers = [nn.Conv2d(channels, width, 3, padding=1)]
    layers += [nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.GELU()) for _ in range(4)]
    network = nn.Sequential(*layers, nn.Conv2d(width, TARGETS, 3, padding=1))
    optimizer = torch.optim.Adam(network.parameters())
    waited, begin = 0.0, time.perf_counter()
    batches = iter(climbench(options, "auto")()())
    for _ in range(options["steps"]):
        start = time.perf_counter()
        x, y = next(batches)
        waited += time.perf_counter() - start
        loss = (network(x.flatten(1, 2)) - y).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    wall = time.perf_counter() - begin
    return {"waited": waited, "wall": wall, "stall": waited / wall}


def peak() -> int:
    """Return the peak of resident memory of this process and its workers, bytes (Linux)."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(kind).ru_maxrss * 1024 for kind in kinds)


def measure(options: dict) -> dict[str, float]:
    """Return rate, time to the first batch and peak memory of a loader."""
    epochs = loaders(options)[options["loader"]]()
    start = time.perf_counter()
    epoch = epochs()
    batches = iter(epoch())
    x, y = next(batches)
    first = time.perf_counter() - start
    if options["batch_file"]:
        order = slice(None) if not options["shuffle"] else slice(0)
        np.savez(options["batch_file"], x=x[order].numpy(), y=y[order].numpy())
    del x, y, batches
    best, count = np.inf, 0
    for _ in range(options["epochs"]):
        start, count = time.perf_counter(), 0
        for x, _y in epoch():
            count += len(x)
        best = min(best, time.perf_counter() - start)
    return {"rate": count / best, "samples": count, "first": first, "peak": peak()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    given = json.loads(sys.argv[1])
    verbs = {"prepare": prepare, "stall": stall}
    print(json.dumps(verbs.get(given["loader"], measure)(given)))
