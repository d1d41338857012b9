"""Gradient-boosted trees by XGBoost: rows in blocks, early stopping, boosters as plain bytes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from climbench.config.schema import Options
from climbench.errors import UserError

Rows = NDArray[np.float32]
Block = Callable[[], Rows]
"""Reads some consecutive rows ``[row, feature]``; NaN is missing."""


class Trees(Options):
    """How trees grow, in the words of XGBoost.

    Attributes
    ----------
    rounds, patience
        Most trees, and how many of them may bring nothing on the held-out block.
    max_depth, learning_rate, subsample, colsample_bytree, min_child_weight, reg_lambda, max_bin
        As XGBoost names them.
    """

    rounds: int = 300
    patience: int = 20
    max_depth: int = 6
    learning_rate: float = 0.05
    subsample: float = 0.8
    colsample_bytree: float = 0.5
    min_child_weight: float = 5.0
    reg_lambda: float = 1.0
    max_bin: int = 256

    def parameters(self, seed: int) -> dict[str, Any]:
        """Return XGBoost's own parameters."""
        own = self.model_dump(exclude={"rounds", "patience"})
        return {**own, "tree_method": "hist", "seed": seed, "verbosity": 0}


def xgboost() -> Any:
    """Return the library.

    Raises
    ------
    UserError
        If it is not installed.
    """
    try:
        import xgboost as library
    except ImportError as error:
        raise UserError(
            'models of boosted trees need XGBoost: pip install "climbench[xgboost]".'
        ) from error
    return library


def quantised(
    blocks: Sequence[Block],
    max_bin: int,
    reference: Any = None,
    folder: Path | None = None,
    labels: Sequence[NDArray[np.float32]] | None = None,
) -> Any:
    """Return XGBoost's matrix of the bins that features fall into, a byte or two for each.

    Blocks are read one at a time and several times over: all rows as numbers are never in memory.

    Parameters
    ----------
    blocks
        What reads the rows.
    max_bin
        Bins of a feature.
    reference
        The matrix whose bins to use: that of the training rows.
    folder
        Where the bins lie on disk, so that they are not in memory either; by default they are.
    labels
        Of each block ``[row]``; without them they are set later.
    """
    library = xgboost()

    class Reader(library.DataIter):  # type: ignore[misc,name-defined]  # imported when needed
        def __init__(self) -> None:
            prefix = {} if folder is None else {"cache_prefix": str(folder / "bins")}
            super().__init__(release_data=True, **prefix)
            self.at = 0

        def next(self, input_data: Any) -> bool:
            if self.at == len(blocks):
                return False
            known = {} if labels is None else {"label": labels[self.at]}
            input_data(data=blocks[self.at](), **known)
            self.at += 1
            return True

        def reset(self) -> None:
            self.at = 0

    if folder is None:
        return library.QuantileDMatrix(Reader(), max_bin=max_bin, ref=reference)
    return library.ExtMemQuantileDMatrix(Reader(), max_bin=max_bin, ref=reference)


def set_target(matrix: Any, target: NDArray[np.float32], margin: NDArray[np.float32]) -> None:
    """Say what a matrix's rows are to answer; a missing target (NaN) has no weight.

    Parameters
    ----------
    matrix
        Of :func:`quantised`.
    target
        ``[row]``.
    margin
        What is known before the first tree ``[row]``, or ``[row, quantile]``.
    """
    matrix.set_label(np.nan_to_num(target))
    matrix.set_weight(np.isfinite(target).astype(np.float32))
    matrix.set_base_margin(margin)


def grow(fitted: Any, held_out: Any, trees: Trees, seed: int, **objective: Any) -> Any:
    """Return the trees up to the best number of them on the held-out block.

    Parameters
    ----------
    fitted, held_out
        Matrices with their targets, see :func:`set_target`.
    trees
        How they grow.
    seed
        Of the rows and columns that a tree sees.
    objective
        What they lower, in XGBoost's words; by default the squared error.
    """
    booster = xgboost().train(
        trees.parameters(seed) | objective,
        fitted,
        trees.rounds,
        evals=[(held_out, "held_out")],
        early_stopping_rounds=trees.patience,
        verbose_eval=False,
    )
    return booster[: booster.best_iteration + 1]


def to_bytes(booster: Any) -> NDArray[np.uint8]:
    """Return a booster as plain bytes (universal binary JSON, no pickle)."""
    return np.frombuffer(booster.save_raw("ubj"), dtype=np.uint8)


def from_bytes(content: NDArray[np.uint8]) -> Any:
    """Return the booster that :func:`to_bytes` wrote."""
    booster = xgboost().Booster()
    booster.load_model(bytearray(content.tobytes()))
    return booster
