"""How much fields change over a lead time: the unit of losses that weigh fast and slow alike."""

import numpy as np

from climbench.errors import UserError
from climbench.tasks.task import Samples, Task

MOST = 4096  # samples of the training split, drawn without regard to their time
BLOCK = 64


def deviations_of_change(task: Task, samples: Samples) -> dict[float, list[float]]:
    """Return the deviation of each target's change over each lead time, in normalised units.

    The change is that from the last input to the target; its standard deviation is over samples
    and cells, without area weights, as that of the normalisation is. Missing values are left out.

    Parameters
    ----------
    task
        Its normalisation and channels.
    samples
        Of its training split.

    Returns
    -------
    dict
        By hours, a number for each target.

    Raises
    ------
    UserError
        If a target is no input, so that there is no change of it; or it never changes.
    """
    signature = task.signature
    for name in signature.targets:
        if name not in signature.inputs:
            raise UserError(
                f"the loss with 'unit: change' needs the target '{name}' among the inputs too: "
                "its change is from the last input."
            )
    at = [signature.inputs.index(name) for name in signature.targets]
    _, scale = task.normalisation.scale(signature.targets)
    sums: dict[float, np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = {}
    for block in _blocks(len(samples)):
        sample = samples.__getitems__(block)
        change = (sample.targets - sample.inputs[:, -1:, at]).double().numpy()
        change /= scale[:, None, None]
        valid = np.isfinite(change)
        change = np.where(valid, change, 0.0)
        each = np.stack([(change**power * valid).sum(axis=(-2, -1)) for power in range(3)])
        for hours in np.unique(sample.lead_time.numpy()):
            chosen = each[:, sample.lead_time.numpy() == hours].sum(axis=1)  # [power, target]
            sums[float(hours)] = sums.get(float(hours), np.zeros_like(chosen)) + chosen
    return {hours: _deviation(sums[hours], signature.targets) for hours in sorted(sums)}


def _blocks(size: int) -> list[list[int]]:
    chosen = np.arange(size)
    if size > MOST:
        chosen = np.sort(np.random.default_rng(0).choice(size, MOST, replace=False))
    return [chosen[start : start + BLOCK].tolist() for start in range(0, chosen.size, BLOCK)]


def _deviation(
    sums: np.ndarray[tuple[int, ...], np.dtype[np.float64]], names: tuple[str, ...]
) -> list[float]:
    count, total, squares = sums
    deviation = np.sqrt(np.maximum(squares / count - (total / count) ** 2, 0.0))
    for name, value in zip(names, deviation, strict=True):
        if not value > 0:
            raise UserError(f"the loss with 'unit: change': target '{name}' never changes.")
    return [float(value) for value in deviation]
