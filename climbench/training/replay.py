"""States that a model has come to by its own steps, kept to go on from."""

from typing import Any

import torch
from torch import Tensor

from climbench.config.schema import ReplayConfig
from climbench.tasks.sample import Sample, Signature
from climbench.tasks.stepping import next_step, stepped


class ReplayBuffer:
    """Questions of many ages: how a model's long rollouts are trained one step at a time.

    A batch is drawn at random, answered, and put back one step older, with the model's answer as
    its newest input. So a state of many steps costs no more memory or time than one; the weights
    that made it are some steps old. What has come to the end of its truth is dropped, and of too
    many those that were put in first.

    Parameters
    ----------
    config
        Its size, and how often new samples come in.
    seed
        Of what is drawn.

    References
    ----------
    Bodnar et al. (2024), Aurora: a foundation model of the atmosphere, supplement D.4.
    """

    def __init__(self, config: ReplayConfig, seed: int) -> None:
        self.config = config
        self.generator = torch.Generator().manual_seed(seed)
        self.entries: list[Sample] = []  # of one question each, their lead axes of many lengths
        self.out: list[Sample] = []
        self.draws = 0

    def draw(self, fresh: Sample, step: float) -> Sample:
        """Return a batch of questions of one step, as many as in ``fresh``.

        Parameters
        ----------
        fresh
            Samples of the training split, normalised, with the truth of several steps. They come
            in if it is their turn, or too few states are kept.
        step
            Hours.
        """
        count = len(fresh.targets)
        if self.draws % self.config.fresh_every == 0 or len(self.entries) < count:
            self.entries += [_row(fresh, at) for at in range(count)]
        self.draws += 1
        order = torch.randperm(len(self.entries), generator=self.generator).tolist()
        self.out = [self.entries[at] for at in order[:count]]
        self.entries = [self.entries[at] for at in sorted(order[count:])]
        return _batch([next_step(entry, step) for entry in self.out], fresh)

    def put_back(self, answer: Tensor, signature: Signature) -> None:
        """Put what was drawn back, with its answers ``[batch, 1, target, ...]`` as inputs."""
        for at, entry in enumerate(self.out):
            if entry.lead_time.shape[1] > 1:
                row = answer[at : at + 1].detach().to(entry.inputs)
                self.entries.append(stepped(entry, row, signature))
        self.out = []
        self.entries = self.entries[-self.config.size :]

    def state_dict(self) -> dict[str, Any]:
        """Return plain values and tensors from which drawing goes on in the same way."""
        return {
            "draws": self.draws,
            "generator": self.generator.get_state(),
            "entries": [entry._asdict() for entry in self.entries],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state that :meth:`state_dict` returned."""
        self.draws = state["draws"]
        self.generator.set_state(state["generator"].cpu())
        self.entries = [Sample(**entry) for entry in state["entries"]]


def _row(sample: Sample, at: int) -> Sample:
    parts = sample._asdict()
    return Sample(
        **{k: v if k == "static" else v[at : at + 1].detach().clone() for k, v in parts.items()}
    )


def _batch(rows: list[Sample], like: Sample) -> Sample:
    """Return one sample of many, where ``like`` is."""
    return Sample(
        **{
            name: like.static
            if name == "static"
            else torch.cat([getattr(row, name) for row in rows]).to(values.device)
            for name, values in like._asdict().items()
        }
    )
