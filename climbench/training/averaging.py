"""Running means of weights: less noisy than the weights of the last step."""

from typing import Any

from lightning.pytorch.callbacks import WeightAveraging
from torch import Tensor


def decay_after(steps: int, decay: float) -> float:
    r"""Return the decay of a running mean after a number of steps.

    .. math:: \min(\beta, (1 + n) / (10 + n))

    A mean that began with the random weights of the start would remember them for long.

    Examples
    --------
    >>> [round(decay_after(steps, 0.999), 3) for steps in (0, 10, 1000, 100_000)]
    [0.1, 0.55, 0.991, 0.999]
    """
    return min(decay, (1 + steps) / (10 + steps))


class RunningMean(WeightAveraging):  # type: ignore[misc]  # lightning is not typed here
    """An exponential running mean of the weights, which is validated and kept.

    After each step of the optimizer it moves by ``1 - decay`` towards the weights, faster at the
    start (:func:`decay_after`). Validation sees the mean, checkpoints hold both. Buffers, such as
    the statistics of batch norms, are those of the last step.

    Parameters
    ----------
    decay
        Of the mean, such as 0.999: it remembers some ``1 / (1 - decay)`` steps.

    References
    ----------
    Polyak and Juditsky (1992), Acceleration of stochastic approximation by averaging; the warm-up
    is that of TensorFlow's ``ExponentialMovingAverage``.
    """

    def __init__(self, decay: float) -> None:
        def moved(mean: Tensor, weight: Tensor, steps: Any) -> Tensor:
            return mean + (1 - decay_after(int(steps), decay)) * (weight - mean)

        super().__init__(use_buffers=False, avg_fn=moved)
