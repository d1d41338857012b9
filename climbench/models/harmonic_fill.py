"""Harmonic fill: each hidden cell is the mean of its neighbours, as a straight line is in 1-D."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from climbench.errors import UserError
from climbench.models.channels import positions
from climbench.models.closed_form import ClosedForm
from climbench.models.padding import Edges, pad
from climbench.tasks.masked_reconstruction import SEEN
from climbench.tasks.sample import Sample, Signature


class HarmonicFill(ClosedForm):
    r"""Fill holes by the solution of :math:`\nabla^2 \hat y = 0` on the cells of the grid.

    A hidden cell becomes the mean of its four neighbours, again and again, starting from the
    training mean; seen cells stay. Every lead is answered by the filled state.

    Parameters
    ----------
    signature
        The question, of a masked reconstruction; every target must be among the inputs.
    iterations
        How often the means are taken; holes of n cells across need some n squared.

    Raises
    ------
    UserError
        If the task is another, or a target is not an input.
    """

    neighbours: Tensor

    def __init__(self, signature: Signature, iterations: int = 200) -> None:
        super().__init__(signature)
        wanted = [*signature.targets, *(SEEN + name for name in signature.targets)]
        for name in wanted:
            if name not in (*signature.inputs, *signature.forcings):
                raise UserError(
                    f"harmonic_fill needs '{name}' among what the task gives: use it with "
                    "task=masked_reconstruction and targets that are inputs too."
                )
        self.iterations = iterations
        self.edges = Edges.of(signature.latitude, signature.longitude)
        self.inputs = positions(signature.inputs, signature.targets)
        self.seen = positions(signature.forcings, [SEEN + name for name in signature.targets])
        cross = torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]]) / 4
        self.register_buffer("neighbours", cross[None, None], persistent=False)

    def accumulate(self, sample: Sample) -> None:
        """Do nothing: there is nothing to learn."""

    def solve(self) -> None:
        """Do nothing: there is nothing to learn."""

    def forward(self, sample: Sample) -> Tensor:
        """Return the filled fields at every lead."""
        known = sample.inputs[:, -1, self.inputs].flatten(0, 1)[:, None]
        seen = sample.forcings[:, 0, self.seen].flatten(0, 1)[:, None] > 0.5
        filled = torch.where(seen, known, 0.0)
        for _ in range(self.iterations):
            means = conv2d(pad(filled, self.edges, (1, 1), (1, 1)), self.neighbours)
            filled = torch.where(seen, known, means)
        batch, leads = sample.lead_time.shape
        fields = filled.reshape(batch, 1, len(self.inputs), *self.signature.shape)
        return fields.expand(-1, leads, -1, -1, -1)
