"""The formulae of diffusion: preconditioning, noise levels, and the way from noise to a sample."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import NamedTuple, TypeVar

from torch import Tensor

Share = TypeVar("Share", float, Tensor)
Denoise = Callable[[Tensor, float], Tensor]
"""What is expected of the clean fields, given noisy ones and their noise level."""


class Preconditioning(NamedTuple):
    """Factors that keep what a network sees and answers at variance one, at any noise level."""

    skip: Tensor
    out: Tensor
    into: Tensor
    level: Tensor


def precondition(sigma: Tensor, deviation: float = 1.0) -> Preconditioning:
    r"""Return the factors of :math:`D(x; \sigma) = c_s x + c_o F(c_i x; c_n)`.

    .. math:: c_s = \frac{\sigma_d^2}{\sigma^2 + \sigma_d^2}, \quad
       c_o = \frac{\sigma \sigma_d}{\sqrt{\sigma^2 + \sigma_d^2}}, \quad
       c_i = \frac{1}{\sqrt{\sigma^2 + \sigma_d^2}}, \quad c_n = \tfrac14 \ln \sigma

    Parameters
    ----------
    sigma
        Noise levels :math:`\sigma`.
    deviation
        Standard deviation :math:`\sigma_d` of the clean fields.

    References
    ----------
    Karras et al. (2022), Elucidating the design space of diffusion-based generative models,
    NeurIPS, table 1.

    Examples
    --------
    >>> import torch
    >>> [round(float(factor), 2) for factor in precondition(torch.tensor(0.75))]
    [0.64, 0.6, 0.8, -0.07]
    """
    total = sigma.square() + deviation**2
    return Preconditioning(
        deviation**2 / total, sigma * deviation / total.sqrt(), total.rsqrt(), sigma.log() / 4
    )


def loss_weight(sigma: Tensor, deviation: float = 1.0) -> Tensor:
    r"""Return :math:`(\sigma^2 + \sigma_d^2) / (\sigma \sigma_d)^2`, one over the square of c_o.

    With it the error of :math:`F` counts the same at every level (Karras et al., section 5).
    """
    return (sigma.square() + deviation**2) / (sigma * deviation).square()


def noise_level(share: Share, lowest: float, highest: float, rho: float = 7.0) -> Share:
    r"""Return the noise level after a share of the way from the highest (0) to the lowest (1).

    .. math:: \left(\sigma_h^{1/\rho} + u\,(\sigma_l^{1/\rho} - \sigma_h^{1/\rho})\right)^\rho

    Even shares make the schedule of the sampler (Karras et al., equation 5); with uniform ones
    GenCast draws the levels that it is trained on.
    """
    start, end = highest ** (1 / rho), lowest ** (1 / rho)
    level: Share = (start + share * (end - start)) ** rho
    return level


def sample_by_dpm_solver(denoise: Denoise, noise: Tensor, levels: list[float]) -> Tensor:
    r"""Follow the probability flow from noise to a sample, in second order (DPM-Solver++ 2S).

    From level :math:`s` to :math:`t`, with :math:`m = \sqrt{s t}` between them:

    .. math:: u = \tfrac{m}{s} x + (1 - \tfrac{m}{s})\,D(x; s), \quad
       x' = \tfrac{t}{s} x + (1 - \tfrac{t}{s})\,D(u; m)

    and at the last level :math:`D` itself. So ``2 n - 1`` evaluations make a sample of ``n``
    levels. Of few levels it makes less than Heun's method does wrong: the spread of a normal
    distribution comes out 1.4 % too small for 20 levels from 88 to 0.02, and 2.9 % too large there.

    Parameters
    ----------
    denoise
        :math:`D`.
    noise
        Of variance one.
    levels
        Descending, above zero.

    References
    ----------
    Lu et al. (2022), DPM-Solver++, arXiv:2211.01095, algorithm 1 (2S, midpoint), for noise that is
    added to the fields as they are; GenCast's choice.
    """
    fields = noise * levels[0]
    for now, after in pairwise(levels):
        middle = math.sqrt(now * after)
        between = middle / now * fields + (1 - middle / now) * denoise(fields, now)
        fields = after / now * fields + (1 - after / now) * denoise(between, middle)
    return denoise(fields, levels[-1])


def schedule(count: int, lowest: float, highest: float, rho: float = 7.0) -> list[float]:
    """Return descending noise levels, from the highest to the lowest.

    Examples
    --------
    >>> [round(level, 3) for level in schedule(3, 0.02, 88.0)]
    [88.0, 4.352, 0.02]
    """
    return [noise_level(step / (count - 1), lowest, highest, rho) for step in range(count)]
