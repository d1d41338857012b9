"""Normalisation layers that a vector modulates: how noise and noise levels enter any backbone."""

from typing import Any, cast

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.GroupNorm, nn.LayerNorm)
"""Layers that are modulated; the first are batch and instance norms."""


class ConditionalNorm(nn.Module):
    r"""A normalisation layer :math:`n` with scale and shift from a condition :math:`z`.

    .. math:: n(x)\,(1 + A z) + B z

    :math:`A` and :math:`B` (with biases) start at zero, so that the network starts as it was.

    Parameters
    ----------
    norm
        The layer, its own gains included.
    width
        Length of the condition.

    References
    ----------
    Perez et al. (2018), FiLM; Peebles and Xie (2023), adaLN-zero.
    """

    def __init__(self, norm: nn.Module, width: int) -> None:
        super().__init__()
        self.norm = norm
        self.project = nn.Linear(width, 2 * features(norm))
        nn.init.zeros_(self.project.weight)
        nn.init.zeros_(self.project.bias)
        self.condition: Tensor | None = None  # [batch, width], set by ConditionedBackbone

    def forward(self, fields: Tensor) -> Tensor:
        """Return modulated fields.

        Parameters
        ----------
        fields
            ``[batch * n, ...]``, those of one sample together; or ``[1, ...]``, what all samples
            share, such as the edges of a mesh: each gets its own.
        """
        if self.condition is None:
            raise RuntimeError("a conditional normalisation runs inside of ConditionedBackbone")
        normed: Tensor = self.norm(fields)
        vector = self.project(self.condition)
        rows = max(len(fields), len(vector))
        vector = vector.repeat_interleave(rows // len(vector), dim=0)
        last = isinstance(self.norm, nn.LayerNorm)
        ones = [1] * (fields.ndim - 2)
        shape = (rows, *ones, -1) if last else (rows, -1, *ones)
        scale, shift = (part.reshape(shape) for part in vector.chunk(2, dim=-1))
        modulated: Tensor = normed * (1 + scale) + shift
        return modulated


class ConditionedBackbone(nn.Module):
    """A network of which every normalisation layer is modulated by a vector for each sample.

    Parameters
    ----------
    network
        Changed in place; a network without normalisation layers stays as it is.
    width
        Length of the vector.

    Attributes
    ----------
    layers
        How many normalisation layers there are.
    """

    def __init__(self, network: nn.Module, width: int) -> None:
        super().__init__()
        for parent in list(network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, NORMS):
                    parent.register_module(name, ConditionalNorm(child, width))
        self.network = network
        self.layers = len(self._norms())

    def forward(self, sample: Any, condition: Tensor) -> Tensor:
        """Return the network's answer under a condition ``[batch, width]``."""
        try:
            self._tell(condition)
            answer: Tensor = self.network(sample)
        finally:
            self._tell(None)
        if answer.requires_grad:
            # Blocks that are computed again for the gradient need it again. A leaf: copies of the
            # network may be made while it stays there.
            again = condition.detach().requires_grad_(condition.requires_grad)
            cast(Any, answer).register_hook(lambda _: self._tell(again))
        return answer

    def _tell(self, condition: Tensor | None) -> None:
        for norm in self._norms():
            norm.condition = condition

    def _norms(self) -> list[ConditionalNorm]:
        return [part for part in self.network.modules() if isinstance(part, ConditionalNorm)]


def features(norm: nn.Module) -> int:
    """Return how many channels a normalisation layer has."""
    layer = cast(Any, norm)
    if isinstance(norm, nn.LayerNorm):
        return int(layer.normalized_shape[-1])
    return int(layer.num_channels if isinstance(norm, nn.GroupNorm) else layer.num_features)
