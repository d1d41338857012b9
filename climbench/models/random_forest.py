"""ClimateBench's random forest: the climate of the training years that branch as a new year."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from climbench.config.schema import Options
from climbench.errors import UserError
from climbench.models.emission_features import EmissionRegression
from climbench.tasks.sample import Signature

OTHER = "other"
ANOMALY = "_anomaly"


class Trees(Options):
    """How the trees of one target grow, in the words of scikit-learn.

    Attributes
    ----------
    n_estimators
        Number of trees.
    max_depth
        Branchings from the root to a leaf, at most; ``None``: no limit.
    min_samples_split
        Samples that a node needs to branch.
    min_samples_leaf
        Samples that a leaf keeps, at least.
    """

    n_estimators: int = 250
    max_depth: int | None = 5
    min_samples_split: int = 5
    min_samples_leaf: int = 7


class RandomForest(EmissionRegression):
    r"""A forest of regression trees for each target, whose leaves are whole fields.

    Trees are grown by scikit-learn on bootstrap samples, splits reduce the squared error summed
    over cells. A prediction is a weighted mean of training fields,

    .. math:: \hat y(x) = \sum_i w_i(x)\, y_i, \qquad
              w_i(x) = \frac{1}{B} \sum_{b=1}^{B}
              \frac{n_{bi}\, [\ell_b(x) = \ell_b(x_i)]}{\sum_j n_{bj}\, [\ell_b(x) = \ell_b(x_j)]}

    with :math:`n_{bi}` how often sample :math:`i` is in the bootstrap of tree :math:`b` and
    :math:`\ell_b` the leaf. So what is kept, and stored in a checkpoint, are the branchings and
    the training fields once, not a field for every leaf of every tree: 42 MB for each target of
    ClimateBench, ten times less. Likewise the trees are grown on the coordinates of the fields
    along orthogonal axes of the space that they span, at most one for each sample. That leaves
    squared errors as they are, and takes a third of the time for 741 years of 2,048 cells. Where
    two predictors part the years of a node alike, and rounding chooses between them, the tree may
    differ from one grown on all cells.

    Parameters
    ----------
    signature, scalars, maps, components, area_weighted
        See :class:`~climbench.models.emission_features.EmissionRegression`.
    trees
        Settings by target. A target that has none is taken by its name without ``_anomaly``, then
        as ``other``.
    seed
        Of the bootstrap.

    Raises
    ------
    UserError
        If a channel or the settings of a target are not there, an option is out of range, or
        scikit-learn is missing.

    References
    ----------
    Watson-Parris et al. (2022), ClimateBench v1.0, J. Adv. Model. Earth Syst. 14, e2021MS002954;
    Meinshausen (2006), Quantile regression forests, J. Mach. Learn. Res. 7, 983-999, equation 2.
    """

    fields: Tensor

    def __init__(
        self,
        signature: Signature,
        scalars: tuple[str, ...] = ("carbon_dioxide", "methane"),
        maps: tuple[str, ...] = ("sulphur_dioxide", "black_carbon"),
        components: int = 5,
        area_weighted: bool = False,
        trees: dict[str, Trees] | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(signature, scalars, maps, components, area_weighted)
        trees = {OTHER: Trees()} if trees is None else trees
        self.trees = [_settings(trees, name) for name in signature.targets]
        self.seed = seed
        self.register_buffer("fields", torch.zeros(len(signature.targets), 0, len(self.area)))
        for at in range(len(signature.targets)):
            for name, kind in _FOREST.items():
                self.register_buffer(f"{name}_{at}", torch.zeros(0, 0, dtype=kind))

    def fit_predictors(self, predictors: Tensor, targets: Tensor) -> None:
        """Grow the trees of each target."""
        device = predictors.device
        for at, settings in enumerate(self.trees):
            forest = grow(predictors.cpu().numpy(), targets[:, at].cpu(), settings, self.seed)
            for name, values in tensors_of(forest, predictors.cpu().numpy()).items():
                setattr(self, f"{name}_{at}", values.to(device))
        self.fields = targets.transpose(0, 1).float().contiguous()

    def answer(self, predictors: Tensor) -> Tensor:
        """Return the mean over trees ``[sample, target, cell]``, normalised."""
        answers = [
            self.weights(predictors, at).to(fields) @ fields
            for at, fields in enumerate(self.fields)
        ]
        return torch.stack(answers, dim=1)

    def weights(self, predictors: Tensor, target: int) -> Tensor:
        """Return the weight of each training sample ``[sample, training sample]``, float64.

        Parameters
        ----------
        predictors
            ``[sample, predictor]``.
        target
            Position of the target.
        """
        feature, threshold, left, right, leaf, share = (
            getattr(self, f"{name}_{target}") for name in _FOREST
        )
        total = torch.zeros(len(predictors), leaf.shape[1]).to(share)
        predictors = predictors.float().double()  # scikit-learn compares single precision
        for tree in range(len(feature)):
            node = torch.zeros_like(predictors[:, 0], dtype=torch.int64)
            while bool((left[tree, node] != node).any()):  # a leaf is its own child
                value = predictors.gather(1, feature[tree, node, None])[:, 0]
                below = value <= threshold[tree, node]
                node = torch.where(below, left[tree, node], right[tree, node])
            total += (node[:, None] == leaf[tree]) * share[tree]
        return total / max(1, len(feature))


_FOREST = {
    "feature": torch.int64,  # that a node branches on [tree, node]
    "threshold": torch.float64,  # up to which a sample goes left [tree, node]
    "left": torch.int64,  # node [tree, node]; of a leaf, the leaf itself
    "right": torch.int64,
    "leaf": torch.int64,  # of each training sample [tree, sample]
    "share": torch.float64,  # of each training sample in the mean of its leaf [tree, sample]
}


def grow(predictors: NDArray[np.float64], fields: Tensor, settings: Trees, seed: int) -> Any:
    """Return scikit-learn's forest for one target.

    Parameters
    ----------
    predictors
        ``[sample, predictor]``.
    fields
        ``[sample, cell]``.
    settings
        Of the trees.
    seed
        Of the bootstrap.

    Raises
    ------
    UserError
        If scikit-learn is missing.
    """
    try:
        from sklearn.ensemble import RandomForestRegressor
    except ImportError as error:
        raise UserError(
            'RandomForest needs scikit-learn: pip install "climbench[emulation]".'
        ) from error
    anomalies = fields - fields.mean(dim=0)
    _, coordinates = torch.linalg.qr(anomalies.T, mode="r")  # on axes of the space they span
    forest = RandomForestRegressor(**settings.model_dump(), random_state=seed, n_jobs=-1)
    return forest.fit(predictors, coordinates.T.contiguous().numpy())


def tensors_of(forest: Any, predictors: NDArray[np.float64]) -> dict[str, Tensor]:
    """Return a fitted forest as tensors, padded to the largest tree; see ``_FOREST``.

    Parameters
    ----------
    forest
        ``RandomForestRegressor``.
    predictors
        What it was fitted on ``[sample, predictor]``.
    """
    structures = [tree.tree_ for tree in forest.estimators_]
    size = max(structure.node_count for structure in structures)
    itself = np.tile(np.arange(size), (len(structures), 1))
    parts = {"feature": 0 * itself, "threshold": np.zeros(itself.shape)}
    parts |= {"left": itself.copy(), "right": itself.copy()}
    for at, structure in enumerate(structures):
        branches = np.flatnonzero(structure.children_left >= 0)
        parts["feature"][at, branches] = structure.feature[branches]
        parts["threshold"][at, branches] = structure.threshold[branches]
        parts["left"][at, branches] = structure.children_left[branches]
        parts["right"][at, branches] = structure.children_right[branches]
    leaf = forest.apply(predictors).T
    times = np.stack(
        [np.bincount(s, minlength=len(predictors)) for s in forest.estimators_samples_]
    )
    totals = np.zeros(itself.shape)
    for at, (leaves, counts) in enumerate(zip(leaf, times, strict=True)):
        totals[at] = np.bincount(leaves, counts, minlength=size)
    share = times / np.take_along_axis(totals, leaf, axis=1)
    parts |= {"leaf": leaf, "share": share}
    return {name: torch.as_tensor(parts[name]).to(kind) for name, kind in _FOREST.items()}


def _settings(trees: dict[str, Trees], target: str) -> Trees:
    for name in (target, target.removesuffix(ANOMALY), OTHER):
        if name in trees:
            return trees[name]
    raise UserError(
        f"RandomForest: option 'trees' has no settings for '{target}', nor for '{OTHER}': add one"
    )
