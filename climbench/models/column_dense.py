"""Dense layers over the vector of a column: of one width after the other, or with two heads."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.channels import positions
from climbench.models.column_parts import as_fields, columns_out, vector
from climbench.tasks.sample import Sample, Signature

LAST = {"linear": nn.Identity, "elu": nn.ELU}


class ColumnDense(nn.Module):
    """Dense layers with leaky rectifiers from the inputs of a column to its targets.

    Parameters
    ----------
    signature
        The question.
    hidden
        Widths of the hidden layers.
    slope
        Of the rectifiers below zero.
    last
        What follows the last layer: nothing, or the exponential linear unit.

    References
    ----------
    Yu et al. (2023), ClimSim: a large multi-scale dataset for hybrid physics-ML climate emulation,
    NeurIPS: the member of the randomised priors, and with narrow layers the encoder-decoder.
    Initial weights after Glorot and Bengio (2010).
    """

    layouts = ("columns",)

    def __init__(
        self,
        signature: Signature,
        hidden: Sequence[int] = (768, 640, 512, 640, 640),
        slope: float = 0.15,
        last: Literal["linear", "elu"] = "linear",
    ) -> None:
        super().__init__()
        self.inputs, self.targets = ordered(signature)
        widths = [len(signature.inputs), *checked("ColumnDense", hidden)]
        self.layers = rectified(widths, slope)
        self.answer = nn.Linear(widths[-1], len(signature.targets))
        self.last = LAST[last]()
        glorot(self)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, 1, target, 1, 1]``."""
        values = self.last(self.answer(self.layers(vector(sample.inputs)[:, self.inputs])))
        return as_fields(values[:, self.targets])


class ColumnMLP(nn.Module):
    r"""The multilayer perceptron of ClimSim: profiles and single values from heads of their own.

    After the hidden layers comes one as wide as the targets, rectified too; of it both heads are
    made. Single values go through a rectifier where they cannot be negative: that is right if
    targets are scaled without a shift, as ``scaling: published`` of the task does.

    Parameters
    ----------
    signature
        The question.
    hidden
        Widths of the hidden layers.
    slope
        Of the rectifiers below zero.
    positive
        Whether the single values go through a rectifier.

    References
    ----------
    Yu et al. (2023), ClimSim, supplement (1,753,472 weights for 124 inputs and 128 targets).
    """

    layouts = ("columns",)

    def __init__(
        self,
        signature: Signature,
        hidden: Sequence[int] = (768, 640, 512, 640, 640),
        slope: float = 0.15,
        positive: bool = False,
    ) -> None:
        super().__init__()
        self.inputs, _ = ordered(signature)
        self.out = columns_out(signature)
        targets = len(signature.targets)
        widths = [len(signature.inputs), *checked("ColumnMLP", hidden), targets]
        self.layers = rectified(widths, slope)
        self.profiles = nn.Linear(targets, self.out.levels.numel())
        self.singles = nn.Linear(targets, self.out.singles.numel())
        self.positive = positive
        glorot(self)

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, 1, target, 1, 1]``."""
        state = self.layers(vector(sample.inputs)[:, self.inputs])
        singles = self.singles(state)
        profiles = self.profiles(state).unflatten(-1, self.out.levels.shape)
        return as_fields(self.out.join(profiles, singles.relu() if self.positive else singles))


def ordered(signature: Signature) -> tuple[list[int], list[int]]:
    """Return the positions of the inputs in alphabetical order, and those that undo it in targets.

    So the same weights serve every order of the channels.
    """
    alphabet = sorted(signature.targets)
    inputs = positions(signature.inputs, sorted(signature.inputs))
    return inputs, positions(alphabet, signature.targets)


def checked(owner: str, hidden: Sequence[int]) -> list[int]:
    """Return the widths, refusing none at all and those below 1."""
    if not hidden or min(hidden) < 1:
        raise UserError(f"{owner}: option 'hidden' = {list(hidden)} must list widths of 1 or more.")
    return list(hidden)


def rectified(widths: Sequence[int], slope: float) -> nn.Sequential:
    """Return dense layers of these widths, each with a leaky rectifier."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LeakyReLU(slope)]
    return nn.Sequential(*layers)


def glorot(network: nn.Module) -> None:
    """Set normal weights after Glorot and Bengio (2010), and shifts of zero."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)


def normed(widths: Sequence[int], dropout: float) -> nn.Sequential:
    """Return dense layers, each normalised, thinned out and rectified."""
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.LayerNorm(after), nn.Dropout(dropout), nn.ReLU()]
    return nn.Sequential(*layers)


def in_order(values: Tensor, places: Sequence[int]) -> Tensor:
    """Return ``[batch, target]`` in alphabetical order as fields in the signature's."""
    return as_fields(torch.as_tensor(values)[:, list(places)])
