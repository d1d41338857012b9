"""ClimaX at its published size, beside the plain way: 48 tokens at each place, MultiheadAttention.

Both have the same weights; the answers are compared, then forward and backward passes are timed in
turn (on a CPU by its own time, which other programs do not take), and the tensors that a pass
keeps for its backward are counted. The peak memory is that of a
process for each. The target is 1.7 times the speed.

    python benchmarks/climax.py                          # published size, batch of 2
    python benchmarks/climax.py --width 128 --depth 2    # a quick look
    python benchmarks/climax.py --device cuda --bf16 --batch 16
"""

import argparse
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from climbench.models.climax import ClimaXEncoder
from climbench.models.climax_forecasting import ClimaX
from climbench.models.climax_variables import PUBLISHED_VARIABLES
from climbench.tasks.sample import Sample
from climbench.testing.model_contract import GLOBAL, random_sample

QUESTION = replace(
    GLOBAL,
    inputs=PUBLISHED_VARIABLES[3:],
    static=PUBLISHED_VARIABLES[:3],
    forcings=(),
    targets=("geopotential_500", "temperature_850", "2m_temperature"),
    history=1,
    leads=1,
    latitude=tuple(-87.1875 + 5.625 * row for row in range(32)),
    longitude=tuple(5.625 * column for column in range(64)),
)


class PlainEncoder(ClimaXEncoder):
    """The same encoder as one would write it: every variable's token at every place."""

    def aggregate(
        self, maps: Tensor, chosen: Tensor | None = None, moments: Tensor | None = None
    ) -> Tensor:
        """Return one token for the variables of each patch."""
        in_order = maps if chosen is None else torch.zeros_like(maps).index_copy(1, chosen, maps)
        tokens = self.tokens(in_order).flatten(2).unflatten(1, self.variables.shape)
        each = (tokens.permute(0, 3, 1, 2) + self.variables).flatten(0, 1)
        query = self.variable_query.expand(len(each), -1, -1)
        mean, _ = self.variable_attention(query, each, each, need_weights=False)
        return mean[:, 0].unflatten(0, (len(maps), -1))


def build(kind: str, options: argparse.Namespace) -> ClimaX:
    """Return the network, ``ours`` or ``plain``, with weights that depend on the seed only."""
    torch.manual_seed(0)
    network = ClimaX(
        QUESTION,
        embed_dim=options.width,
        depth=options.depth,
        num_heads=options.heads,
        dropout=0.0,
        drop_path=0.0,
    )
    torch.nn.init.normal_(network.encoder.variable_query)  # an untrained one is zero
    if kind == "plain":
        network.encoder.__class__ = PlainEncoder
    return network.to(options.device)


def passes(network: ClimaX, sample: Sample, options: argparse.Namespace) -> Callable[[], Tensor]:
    """Return what does a forward and a backward pass, and answers the prediction."""

    def both() -> Tensor:
        network.zero_grad()
        with torch.autocast(options.device, torch.bfloat16, enabled=options.bf16):
            answer = network(sample)
        answer.float().square().mean().backward()
        if options.device == "cuda":
            torch.cuda.synchronize()
        return answer.detach()

    return both


def kept_bytes(network: ClimaX, work: Callable[[], Tensor]) -> int:
    """Return the bytes of the tensors kept for the backward pass, weights not counted."""
    own = {weight.untyped_storage().data_ptr() for weight in network.parameters()}
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        work()
    return sum(kept.values())


def peak(options: argparse.Namespace, kind: str) -> float:
    """Return the peak memory of a process that does one pass, MiB."""
    given = [f"--{name}={getattr(options, name)}" for name in ("batch", "width", "depth", "heads")]
    words = [sys.executable, __file__, f"--peak-of={kind}", f"--device={options.device}", *given]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    return float(done.stdout)


def print_peak(options: argparse.Namespace) -> None:
    """Do one pass and print the peak memory, MiB."""
    sample = on_device(random_sample(QUESTION, options.batch), options.device)
    passes(build(options.peak_of, options), sample, options)()
    if options.device == "cuda":
        print(torch.cuda.max_memory_allocated() / 2**20)
        return
    unit = 2**20 if sys.platform == "darwin" else 2**10  # ru_maxrss: bytes there, KiB here
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit)


def on_device(sample: Sample, device: str) -> Sample:
    """Return the sample on a device."""
    return Sample(*(values.to(device) for values in sample))


def compare(options: argparse.Namespace) -> None:
    """Print whether both answer the same, and how fast and how large they are."""
    peaks = {kind: peak(options, kind) for kind in ("plain", "ours")}  # a child's includes ours now
    sample = on_device(random_sample(QUESTION, options.batch), options.device)
    networks = {kind: build(kind, options) for kind in ("plain", "ours")}
    networks["ours"].load_state_dict(networks["plain"].state_dict())
    work = {kind: passes(network, sample, options) for kind, network in networks.items()}
    answers = [both() for both in work.values()]  # which warms up, too
    apart = float((answers[0] - answers[1]).abs().max() / answers[0].abs().max())
    gradients = [
        torch.cat([w.grad.flatten() for w in network.parameters() if w.grad is not None])
        for network in networks.values()
    ]
    off = float((gradients[0] - gradients[1]).norm() / gradients[0].norm())
    print(f"answers differ by {apart:.1e} of the largest, gradients by {off:.1e} of their norm")
    clock = time.perf_counter if options.device == "cuda" else time.process_time
    seconds: dict[str, list[float]] = {kind: [] for kind in work}
    for _ in range(options.repeats):
        for kind, both in work.items():
            start = clock()
            both()
            seconds[kind].append(clock() - start)
    median = {kind: statistics.median(each) for kind, each in seconds.items()}
    for kind, network in networks.items():
        kept = kept_bytes(network, work[kind]) / 2**20
        print(
            f"{kind:6s} forward + backward {1e3 * median[kind]:8.1f} ms; kept for backward "
            f"{kept:7.0f} MiB; peak of a process {peaks[kind]:7.0f} MiB",
            flush=True,
        )
    print(f"ours is {median['plain'] / median['ours']:.2f} times as fast")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--width", type=int, default=1024)
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--heads", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--peak-of", choices=["ours", "plain"])
    chosen = parser.parse_args()
    print_peak(chosen) if chosen.peak_of else compare(chosen)
