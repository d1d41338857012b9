"""Models that are fitted on all training samples at once: Gaussian processes, forests of trees."""

from abc import abstractmethod

import torch
from torch import Tensor

from climbench.models.closed_form import ClosedForm
from climbench.tasks.sample import Sample, Signature


class Gathered(ClosedForm):
    """A model whose fit needs every training sample, which therefore must fit in memory.

    The samples are kept in the order of their place in the split, so that the fit depends neither
    on the batches nor on the order in which they came. What :meth:`fit` finds goes into buffers,
    whose sizes may depend on the data.
    """

    def __init__(self, signature: Signature) -> None:
        super().__init__(signature)
        self.rows: list[tuple[Tensor, Tensor, Tensor]] = []
        """Place, features and targets of each batch met so far, on the CPU."""

    @abstractmethod
    def features(self, sample: Sample) -> Tensor:
        """Return what the answer follows from ``[batch, feature]``."""

    @abstractmethod
    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Set the coefficients.

        Parameters
        ----------
        features
            ``[sample, feature]``, as :meth:`features` gives them.
        targets
            Normalised ``[sample, target, latitude, longitude]``.
        """

    def accumulate(self, sample: Sample) -> None:
        """Keep a batch of normalised samples of one lead."""
        parts = (sample.index, self.features(sample), sample.targets[:, 0])
        self.rows.append(tuple(part.detach().cpu() for part in parts))  # type: ignore[arg-type]

    def solve(self) -> None:
        """Fit on all samples that were kept, then forget them."""
        index, features, targets = (torch.cat(parts) for parts in zip(*self.rows, strict=True))
        self.rows = []
        order = torch.argsort(index)
        self.fit(features[order], targets[order])
