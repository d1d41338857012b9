"""Linear interpolation in time: a straight line from one state to the next."""

from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import given
from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Sample, Signature


class LinearInterpolation(ClosedForm):
    r"""Answer a time between two states by the line that joins them.

    .. math:: \hat y(\tau) = (1 - \tau/T)\, x(0) + (\tau/T)\, x(T)

    Parameters
    ----------
    signature
        The question, of a temporal interpolation; every target must be among the inputs.

    Raises
    ------
    UserError
        If the task is another, or a target is not an input.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        if len(signature.input_hours) != 2:
            raise UserError(
                "linear_interpolation needs two states with the targets between them: "
                "use it with task=temporal_interpolation."
            )
        missing = [name for name in signature.targets if name not in signature.inputs]
        if missing:
            raise UserError(
                f"linear_interpolation needs the target '{missing[0]}' among the task's inputs: "
                "add it there or leave this model out."
            )

    def accumulate(self, sample: Sample) -> None:
        """Do nothing: there is nothing to learn."""

    def solve(self) -> None:
        """Do nothing: there is nothing to learn."""

    def forward(self, sample: Sample) -> Tensor:
        """Return the point of the line at each lead."""
        return given(self.signature, sample)
