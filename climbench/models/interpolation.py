"""Interpolation: the coarse field itself, on the fine grid."""

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import last_input
from climbench.models.closed_form import ClosedForm
from climbench.models.resizing import Method, input_resize
from climbench.tasks.sample import Sample, Signature


class Interpolation(ClosedForm):
    """Answer with the last input, interpolated to the grid of the targets.

    Missing inputs take no part: a point has the mean of the neighbours that there are. Where
    ``nearest`` or ``bicubic`` would see a missing cell the answer is bilinear, and where no
    neighbour has a value it is the training mean.

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.
    method
        ``nearest``, ``bilinear`` or ``bicubic``, see :class:`climbench.models.resizing.Resize`.

    Raises
    ------
    UserError
        If a target is not an input, or there is no such method.
    """

    takes_coarse_inputs = True
    takes_missing_inputs = True
    learns_from_pairs = False

    def __init__(self, signature: Signature, method: Method = "bilinear") -> None:
        super().__init__(signature)
        check_inputs(signature, f"{method} interpolation")
        self.resize = input_resize(signature, method)
        self.linear = input_resize(signature)

    def accumulate(self, sample: Sample) -> None:
        """Do nothing: there is nothing to learn."""

    def solve(self) -> None:
        """Do nothing: there is nothing to learn."""

    def forward(self, sample: Sample) -> Tensor:
        """Return the interpolated input at every lead."""
        given = last_input(self.signature, sample)
        fields: Tensor = self.resize.valid(given)
        if fields.isnan().any():
            fields = torch.where(fields.isnan(), self.linear.valid(given), fields).nan_to_num(0.0)
        return fields.expand(-1, sample.lead_time.shape[1], -1, -1, -1)


def check_inputs(signature: Signature, model: str) -> None:
    """Raise a UserError if a target is not an input.

    Parameters
    ----------
    signature
        The question.
    model
        How the sentence begins.
    """
    for name in signature.targets:
        if name not in signature.inputs:
            raise UserError(
                f"{model} needs the target '{name}' among the task's inputs: add it there or leave "
                "this model out."
            )
