"""Persistence: the weather stays as it is."""

from typing import ClassVar

from torch import Tensor

from climbench.errors import UserError
from climbench.models.channels import last_known
from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Sample, Signature


class Persistence(ClosedForm):
    r"""Answer every lead with the last input, :math:`\hat y(t + \tau) = x(t)`.

    Where that is missing it is the last one of the history that is not, and the training mean
    where all are.

    Parameters
    ----------
    signature
        The question; every target must be among the inputs.

    Raises
    ------
    UserError
        If a target is not an input.
    """

    layouts: ClassVar[tuple[str, ...]] = ("map", "stations")
    takes_missing_inputs: ClassVar[bool] = True

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        missing = [name for name in signature.targets if name not in signature.inputs]
        if missing:
            raise UserError(
                f"persistence needs the target '{missing[0]}' among the task's inputs: "
                "add it there or leave this model out."
            )

    def accumulate(self, sample: Sample) -> None:
        """Do nothing: there is nothing to learn."""

    def solve(self) -> None:
        """Do nothing: there is nothing to learn."""

    def forward(self, sample: Sample) -> Tensor:
        """Return the last input at every lead ``[batch, lead, target, latitude, longitude]``."""
        last = last_known(self.signature, sample).nan_to_num(0.0)
        return last.expand(-1, sample.lead_time.shape[1], -1, -1, -1)
