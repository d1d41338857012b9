"""Interpolation: the coarse field itself, on the fine grid."""

from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import last_input
from climbench.models.closed_form import ClosedForm
from climbench.models.resizing import Method, input_resize
from climbench.tasks.sample import Sample, Signature


class Interpolation(ClosedForm):
    """Answer with the last input, interpolated to the grid of the targets.

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
    learns_from_pairs = False

    def __init__(self, signature: Signature, method: Method = "bilinear") -> None:
        super().__init__(signature)
        check_inputs(signature, f"{method} interpolation")
        self.resize = input_resize(signature, method)

    def accumulate(self, sample: Sample) -> None:
        """Do nothing: there is nothing to learn."""

    def solve(self) -> None:
        """Do nothing: there is nothing to learn."""

    def forward(self, sample: Sample) -> Tensor:
        """Return the interpolated input at every lead."""
        fields: Tensor = self.resize(last_input(self.signature, sample))
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
