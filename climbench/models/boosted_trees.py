"""XGBoost for series: a booster for each target and lead, on top of a ridge regression."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from climbench.errors import UserError
from climbench.models.boosting import (
    Rows,
    Trees,
    from_bytes,
    grow,
    quantised,
    set_target,
    to_bytes,
    xgboost,
)
from climbench.models.feature_regression import LAGS, WINDOWS, FeatureRegression
from climbench.models.gathered import Gathered
from climbench.models.row_file import RowFile
from climbench.models.series_features import SeriesFeatures, last_values
from climbench.tasks.sample import Sample, Signature

BLOCK = 65_536  # rows that are read at once
POINT = "reg:squarederror"
QUANTILE = "reg:quantileerror"


class BoostedTrees(Gathered):
    r"""Predict each target at each lead by gradient-boosted trees, with intervals.

    Trees answer in steps and cannot go beyond what they were shown, which a straight line can: by
    default they learn what a ridge regression on the same features leaves of the change from the
    last value, :math:`\hat y = x_0 + x^T b + \sum_m f_m(x)`. The last share of the training period
    is held out, as many samples before it as a window is long are left out, and the number of
    trees is that with the least error there (:class:`~climbench.models.boosting.Trees`). The line
    is that of ``feature_regression``, of all samples.

    Members of the forecast are quantiles, at levels :math:`(i - 1/2)/n`, grown with the quantile
    loss from the point forecast on, then each moved by one number so that on the held-out block it
    is exceeded as often as it says.

    Parameters
    ----------
    signature
        The question.
    windows, lags
        See :class:`climbench.models.series_features.SeriesFeatures`.
    base
        ``ridge``, or ``none``: trees alone.
    ridge
        The penalties to choose from, as for ``feature_regression``.
    trees, quantile_trees
        How the trees of the point forecast and of the quantiles grow.
    quantiles
        Number of members :math:`n`; 0: the point forecast alone.
    held_out
        Share of the training samples, the last ones, that the number of trees is chosen on.
    external_memory
        Whether features lie on disk until trees have grown, in full and in bins; on one process.
    seed
        Of the rows and columns that a tree sees.

    Raises
    ------
    UserError
        If an option is out of range, or XGBoost is missing.

    References
    ----------
    Chen and Guestrin (2016), XGBoost: a scalable tree boosting system; Romano, Patterson and
    Candes (2019), Conformalized quantile regression.
    """

    layouts = ("stations",)
    takes_missing_inputs = True

    coefficients: Tensor
    boosters: Tensor
    ends: Tensor
    shifts: Tensor

    def __init__(
        self,
        signature: Signature,
        windows: tuple[int, ...] = WINDOWS,
        lags: tuple[int, ...] = LAGS,
        base: Literal["ridge", "none"] = "ridge",
        ridge: tuple[float, ...] = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1),
        trees: Trees | None = None,
        quantile_trees: Trees | None = None,
        quantiles: int = 5,
        held_out: float = 0.2,
        external_memory: bool = False,
        seed: int = 0,
    ) -> None:
        xgboost()
        super().__init__(signature)
        if not 0 < held_out < 1:
            raise UserError(f"option 'held_out' = {held_out} must lie between 0 and 1")
        if base not in ("ridge", "none"):
            raise UserError(f"option 'base' = {base} is unknown: ridge or none")
        self.seen = SeriesFeatures(signature, tuple(windows), tuple(lags))
        self.held_out, self.seed = held_out, seed
        line = FeatureRegression(signature, tuple(windows), tuple(lags), tuple(ridge))
        self.line = line if base == "ridge" else None
        self.trees = Trees() if trees is None else trees
        self.quantile_trees = Trees() if quantile_trees is None else quantile_trees
        self.members, self.external_memory = quantiles, external_memory
        self.columns = [
            (lead, target)
            for lead in range(signature.leads)
            for target in range(len(signature.targets))
        ]
        size = len(self.seen.names) + 1
        self.register_buffer("coefficients", torch.zeros(size, len(self.columns)).double())
        self.register_buffer("shifts", torch.zeros(len(self.columns), quantiles))
        self.register_buffer("boosters", torch.zeros(0, dtype=torch.uint8))
        self.register_buffer("ends", torch.zeros(0, dtype=torch.int64))
        self._grown: list[Any] = []
        self.file: RowFile | None = None

    @property
    def levels(self) -> list[float]:
        """Probabilities of the quantiles."""
        return [(member + 0.5) / self.members for member in range(self.members)]

    def features(self, sample: Sample) -> Tensor:
        """Return features ``[batch, station, feature]``, float32."""
        return self.seen(sample).float()

    def accumulate(self, sample: Sample) -> None:
        """Keep a batch of normalised samples with all their leads."""
        change = sample.targets - last_values(self.signature, sample)
        if self.line is not None:
            self.leads = sample.lead_time[0]
            self.line.accumulate(sample)
        features = self.features(sample).detach().cpu()
        if self.external_memory:
            self.file = RowFile() if self.file is None else self.file
            self.file.append(features.flatten(0, 1).numpy())
            features = features[..., :0]
        self.rows.append((sample.index.cpu(), features, change[:, :, :, 0].detach().cpu()))

    def statistics(self) -> dict[str, Tensor]:
        """Return the sums of the line."""
        return {} if self.line is None else self.line.statistics()

    def fit(self, features: Tensor, targets: Tensor) -> None:
        """Fit the line, then grow the trees of every lead and target.

        Parameters
        ----------
        features
            ``[sample, station, feature]`` in the order of time.
        targets
            ``[sample, lead, target, station]``.
        """
        first, rest = self._parts(len(features), features.shape[1])
        x = features.flatten(0, 1).numpy() if self.file is None else self.file
        y = targets.permute(0, 3, 1, 2).flatten(0, 1).flatten(1).numpy()
        if self.line is not None:
            self.line.solve()
            order = torch.searchsorted(self.line.keys, self.leads.to(self.line.keys))
            self.coefficients = self.line.coefficients[order, 0].double().movedim(0, 1).flatten(1)
        margin = self._margin(x)
        with tempfile.TemporaryDirectory() as place:
            matrices = self._matrices(x, first, rest, Path(place))
            grown = [
                booster
                for column in range(y.shape[1])
                for booster in self._column(matrices, column, y, margin, (first, rest))
            ]
        contents = [torch.from_numpy(to_bytes(booster).copy()) for booster in grown]
        self.boosters = torch.cat(contents)
        self.ends = torch.tensor([len(content) for content in contents]).cumsum(0)
        self._grown, self.file = [], None

    def solve(self) -> None:
        """Fit on all samples that were kept, in the order of time, then forget them."""
        if self.file is not None:
            index = torch.cat([place for place, _, _ in self.rows])
            stations = self.rows[0][1].shape[1]
            places = torch.argsort(index)[:, None] * stations + torch.arange(stations)
            self.file.order = places.flatten().numpy()
        super().solve()

    def _parts(self, samples: int, stations: int) -> tuple[slice, slice]:
        """Return the rows that trees grow on, and those that their number is chosen on."""
        begin = min(samples - 1, round(samples * (1 - self.held_out)))
        end = max(1, begin - self.signature.history)
        return slice(0, end * stations), slice(begin * stations, samples * stations)

    def _margin(self, x: Rows | RowFile) -> NDArray[np.float32]:
        """Return the line's answers ``[row, column]``."""
        coefficients = self.coefficients.cpu().numpy()
        parts = [
            _design(x[start : start + BLOCK]) @ coefficients for start in range(0, len(x), BLOCK)
        ]
        return np.concatenate(parts).astype(np.float32)

    def _matrices(
        self, x: Rows | RowFile, first: slice, rest: slice, folder: Path
    ) -> tuple[Any, Any]:
        def blocks(part: slice) -> list[Any]:
            starts = range(part.start, part.stop, BLOCK)
            return [partial(_rows, x, start, min(start + BLOCK, part.stop)) for start in starts]

        places = [folder / name if self.external_memory else None for name in ("fit", "held_out")]
        for place in places:
            if place is not None:
                place.mkdir()
        fitted = quantised(blocks(first), self.trees.max_bin, folder=places[0])
        return fitted, quantised(blocks(rest), self.trees.max_bin, fitted, places[1])

    def _column(
        self,
        matrices: tuple[Any, Any],
        column: int,
        y: Rows,
        margin: NDArray[np.float32],
        parts: tuple[slice, slice],
    ) -> list[Any]:
        """Return the booster of the point forecast of a column, and that of its quantiles."""
        for matrix, part in zip(matrices, parts, strict=True):
            set_target(matrix, y[part, column], margin[part, column])
        point = grow(*matrices, self.trees, self.seed, objective=POINT)
        if not self.members:
            return [point]
        centres = [point.predict(matrix) for matrix in matrices]
        for matrix, part, centre in zip(matrices, parts, centres, strict=True):
            around = np.repeat(centre[:, None], self.members, axis=1)
            set_target(matrix, y[part, column], around)
        options = {"objective": QUANTILE, "quantile_alpha": self.levels}
        quantiles = grow(*matrices, self.quantile_trees, self.seed, **options)
        rest = y[parts[1], column]
        answers = quantiles.predict(matrices[1]).reshape(len(rest), -1)
        errors = (rest[:, None] - answers)[np.isfinite(rest)]
        if len(errors):
            shifts = [np.quantile(errors[:, at], level) for at, level in enumerate(self.levels)]
            self.shifts[column] = torch.tensor(np.array(shifts))
        return [point, quantiles]

    def grown(self) -> list[Any]:
        """Return the boosters: of each column the point forecast and, with members, quantiles."""
        if not self._grown:
            contents = self.boosters.cpu().numpy()
            starts = [0, *self.ends.tolist()[:-1]]
            self._grown = [
                from_bytes(contents[start:end])
                for start, end in zip(starts, self.ends.tolist(), strict=True)
            ]
        return self._grown

    def forward(self, sample: Sample) -> Tensor:
        """Return the point forecast."""
        return self._answer(sample, None)

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return one quantile of every target, none below the one before it."""
        return self._answer(sample, member)

    def _answer(self, sample: Sample, member: int | None) -> Tensor:
        if not self.ends.numel():
            return self.zeros(sample)
        features = self.features(sample)
        x = features.flatten(0, 1).cpu().numpy()
        matrix, margin = xgboost().DMatrix(x), self._margin(x)
        answers = []
        each = 2 if self.members else 1
        for column in range(len(self.columns)):
            matrix.set_base_margin(margin[:, column])
            point = self.grown()[each * column].predict(matrix)
            if member is not None:
                matrix.set_base_margin(np.repeat(point[:, None], self.members, axis=1))
                quantiles = self.grown()[each * column + 1].predict(matrix).reshape(len(x), -1)
                point = np.sort(quantiles + self.shifts[column].cpu().numpy(), axis=1)[:, member]
            answers.append(torch.from_numpy(np.ascontiguousarray(point, dtype=np.float32)))
        shape = (len(features), features.shape[1], *sample.lead_time.shape[1:], -1)
        fields = torch.stack(answers, dim=1).reshape(shape).permute(0, 2, 3, 1)
        change = fields[:, :, :, None].to(sample.inputs.device)
        return last_values(self.signature, sample) + change

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Any], prefix: str, *args: Any, **kwargs: Any
    ) -> None:
        self._grown = []
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)


def _rows(x: Rows | RowFile, start: int, stop: int) -> Rows:
    return x[start:stop]


def _design(x: Rows) -> NDArray[np.float64]:
    """Return features without gaps, and a constant."""
    return np.concatenate([np.nan_to_num(x), np.ones_like(x[:, :1])], axis=1).astype(np.float64)
