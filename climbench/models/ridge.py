"""Ridge regression in one pass: sums of products, held-out choice of the penalty."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.closed_form import KeyedClosedForm
from climbench.tasks.sample import Sample, Signature

FOLDS = 4
BLOCK = 40  # consecutive samples in one fold, so that neighbours in time are seldom parted


class RidgeRegression(KeyedClosedForm):
    r"""Least squares with a penalty, in one pass: one regression per lead time and group of cells.

    With features :math:`x` (the last of them 1) and targets :math:`y` of :math:`n` rows,

    .. math:: B = (X^T X / n + \lambda D)^{-1} X^T Y / n,

    where :math:`D` is the identity but for a zero at the constant. If several :math:`\lambda` are
    given, the one with the least held-out squared error is taken for each lead time. The training
    samples lie in 4 folds of alternating blocks of 40; each fold has its own sums, so that a fit
    without fold :math:`k` needs no second pass, nor does its error on fold :math:`k`,
    :math:`\mathrm{tr}(Y_k^T Y_k - 2 B^T X_k^T Y_k + B^T X_k^T X_k B)`, area-weighted over groups.
    With a single fold (fewer than 40 samples) nothing can be held out: the largest is taken.
    A row with a missing target (NaN) does not count.

    Parameters
    ----------
    signature
        The question.
    groups, features, targets
        Number of groups, and of features (with the constant) and targets in each.
    ridge
        The penalties :math:`\lambda > 0` to choose from, dimensionless for normalised features.

    Raises
    ------
    UserError
        If ``ridge`` is empty or has a penalty that is not positive.
    """

    chunk = 16  # samples whose features are in memory at once

    gram: Tensor
    moment: Tensor
    square: Tensor
    count: Tensor
    coefficients: Tensor
    penalty: Tensor
    group_weights: Tensor

    def __init__(
        self,
        signature: Signature,
        groups: int,
        features: int,
        targets: int,
        ridge: Sequence[float],
    ) -> None:
        super().__init__(signature)
        if not ridge or min(ridge) <= 0:
            raise UserError(f"option 'ridge' = {list(ridge)} must list penalties greater than 0.")
        self.ridge = tuple(sorted(ridge))
        self.folds = FOLDS if len(self.ridge) > 1 else 1
        self.register_statistic("gram", 0, self.folds, groups, features, features)
        self.register_statistic("moment", 0, self.folds, groups, features, targets)
        self.register_statistic("square", 0, self.folds, groups, targets)
        self.register_statistic("count", 0, self.folds)
        self.register_buffer("coefficients", torch.zeros(0, groups, features, targets))
        self.register_buffer("penalty", torch.zeros(0))
        self.register_buffer("group_weights", torch.ones(groups).double(), persistent=False)

    @abstractmethod
    def features(self, sample: Sample, lead: int) -> Tensor:
        """Return the features at one lead ``[group, row, feature]``, in the type of the inputs.

        Rows are sample by cell. The calendar is that of the first lead: a later one only turns
        the angles of its harmonics by a constant, which the coefficients take up.
        """

    @abstractmethod
    def rows(self, fields: Tensor) -> Tensor:
        """Return fields ``[batch, target, latitude, longitude]`` as ``[group, row, target]``."""

    @abstractmethod
    def fields(self, rows: Tensor) -> Tensor:
        """Undo :meth:`rows`."""

    def accumulate(self, sample: Sample) -> None:
        """Add a batch to the sums of its folds and lead times."""
        folds = sample.index // BLOCK % self.folds
        kinds = torch.cat([folds[:, None], self.slots(sample.lead_time)], dim=1)
        for kind in torch.unique(kinds, dim=0):
            members = torch.nonzero((kinds == kind).all(1))[:, 0]
            for chunk in torch.split(members, self.chunk):
                self._add(take(sample, chunk), *kind.tolist())

    def _add(self, sample: Sample, fold: int, *keys: int) -> None:
        sample = sample._replace(inputs=sample.inputs.double())
        for lead, key in enumerate(keys):
            if lead == 0 or self.signature.forcings:  # without forcings all leads see the same
                x = self.features(sample, lead)
                gram = x.mT @ x
            y = self.rows(sample.targets[:, lead]).double()
            missing = y.isnan().any(dim=-1, keepdim=True)
            if missing.any():
                there, y = x.masked_fill(missing, 0.0), y.masked_fill(missing, 0.0)
                self.gram[key, fold] += there.mT @ there
            else:
                self.gram[key, fold] += gram
            self.moment[key, fold] += x.mT @ y
            self.square[key, fold] += (y**2).sum(1)
            self.count[key, fold] += x.shape[1]

    def solve(self) -> None:
        """Set ``coefficients [lead time, group, feature, target]`` and ``penalty [lead time]``."""
        chosen = [self._solve_key(key) for key in range(self.keys.numel())]
        self.penalty = self.count.new_tensor([penalty for penalty, _ in chosen]).float()
        self.coefficients = torch.stack([fit for _, fit in chosen]).float()

    def _solve_key(self, key: int) -> tuple[float, Tensor]:
        gram, moment, count = self.gram[key], self.moment[key], self.count[key]
        best = self.ridge[-1]
        if torch.count_nonzero(count) > 1:
            errors = [self._held_out_error(key, penalty) for penalty in self.ridge]
            best = self.ridge[errors.index(min(errors))]
        return best, ridge_fit(gram.sum(0), moment.sum(0), best)

    def _held_out_error(self, key: int, penalty: float) -> float:
        """Return the squared error over all folds, each fitted on the others."""
        gram, moment, count = self.gram[key], self.moment[key], self.count[key]
        error = 0.0
        for fold in torch.nonzero(count)[:, 0]:
            others = torch.arange(self.folds, device=fold.device) != fold
            fit = ridge_fit(gram[others].sum(0), moment[others].sum(0), penalty)
            squares = self.square[key, fold] - 2 * (fit * moment[fold]).sum(1)
            squares += (fit * (gram[fold] @ fit)).sum(1)
            error += float((squares.sum(1) * self.group_weights).sum())
        return error

    def forward(self, sample: Sample) -> Tensor:
        """Return the regression of each sample's lead times.

        Raises
        ------
        UserError
            If a lead time did not occur in training.
        """
        if self.coefficients.shape[0] == 0:
            return self.zeros(sample)
        unknown = sample.lead_time[~torch.isin(sample.lead_time.to(self.keys), self.keys)]
        if unknown.numel():
            raise UserError(
                f"the linear regression was not fitted at a lead time of {float(unknown[0]):g} h, "
                f"only at {', '.join(f'{key:g}' for key in self.keys.tolist())} h."
            )
        keys = torch.searchsorted(self.keys, sample.lead_time.to(self.keys))
        sample = sample._replace(inputs=sample.inputs.double())  # autocast leaves float64 alone
        answer = self.zeros(sample)
        for lead in range(keys.shape[1]):
            for key in torch.unique(keys[:, lead]):
                members = torch.nonzero(keys[:, lead] == key)[:, 0]
                x = self.features(take(sample, members), lead)
                fit = self.coefficients[int(key)].double()
                answer[members, lead] = self.fields(x @ fit).float()
        return answer


def ridge_fit(gram: Tensor, moment: Tensor, penalty: float) -> Tensor:
    """Return ridge coefficients from sums; the last feature is the constant 1, not penalised.

    Where there was no row they are 0.

    Parameters
    ----------
    gram, moment
        Sums over rows of features times features ``[..., feature, feature]`` and features times
        targets ``[..., feature, target]``.
    penalty
        Ridge strength per row.

    Returns
    -------
    torch.Tensor
        ``[..., feature, target]``.
    """
    penalties = torch.full_like(gram[..., 0], penalty)
    penalties[..., -1] = (gram[..., -1, -1] == 0).to(gram)
    count = gram[..., -1:, -1:].clamp(min=1.0)  # ones squared: rows whose target is not missing
    triangle = torch.linalg.cholesky(gram / count + torch.diag_embed(penalties))
    return torch.cholesky_solve(moment / count, triangle)


def take(sample: Sample, members: Tensor) -> Sample:
    """Return some samples of a batch."""
    chosen = {
        name: values if name == "static" else values[members]
        for name, values in sample._asdict().items()
    }
    return Sample(**chosen)
