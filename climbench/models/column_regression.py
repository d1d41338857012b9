"""Multiple linear regression of columns: the bar that a network has to clear."""

import torch
from torch import Tensor

from climbench.models.column_parts import vector
from climbench.models.ridge import RidgeRegression
from climbench.tasks.sample import Sample, Signature


class ColumnRegression(RidgeRegression):
    """Predict every target of a column from all its inputs and a constant, in one pass.

    Parameters
    ----------
    signature
        The question.
    ridge
        The penalties to choose from; the smallest only keeps inputs that never vary, of which a
        least-squares fit has no answer, from mattering.

    References
    ----------
    Yu et al. (2023), ClimSim, quickstart (multiple linear regression).
    """

    layouts = ("columns",)
    chunk = 65_536

    def __init__(self, signature: Signature, ridge: tuple[float, ...] = (1e-7,)) -> None:
        super().__init__(signature, 1, len(signature.inputs) + 1, len(signature.targets), ridge)

    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return ``[1, batch, input and constant]``."""
        inputs = vector(sample.inputs)
        return torch.cat([inputs, torch.ones_like(inputs[:, :1])], dim=1)[None]

    def rows(self, fields: Tensor) -> Tensor:
        """Return fields ``[batch, target, 1, 1]`` as ``[1, batch, target]``."""
        return fields[None, :, :, 0, 0]

    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""
        return rows[0][:, :, None, None]
