"""Training a part of a network: chosen weights, changes of low rank, other learning rates."""

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from climbench.config import FineTuningConfig, LowRankConfig
from climbench.errors import UserError, nearest

BATCH_NORM = nn.modules.batchnorm._BatchNorm


def fine_tune(network: nn.Module, config: FineTuningConfig) -> str:
    """Prepare a network for training a part of it.

    Weights that are not trained are frozen, and so are the running means of frozen batch norms;
    layers with changes of low rank are replaced by :class:`LowRankLinear`, which answer the same
    until they are trained.

    Parameters
    ----------
    network
        With its initial weights; it is changed in place.
    config
        What is trained.

    Returns
    -------
    str
        One line that says how much is trained.

    Raises
    ------
    UserError
        If a pattern matches nothing, the network has no such group, or nothing is left to train.
    """
    weights = dict(network.named_parameters())
    chosen = trainable_weights(network, config.trainable)
    for name, weight in weights.items():
        weight.requires_grad_(name in chosen and weight.requires_grad)
    for part in network.modules():
        own = list(part.parameters(recurse=False))
        if isinstance(part, BATCH_NORM) and own and not any(w.requires_grad for w in own):
            part.eval()  # Lightning leaves each part in the mode it finds it in
    if config.low_rank is not None:
        add_low_rank(network, config.low_rank)
    sizes = [(weight.numel(), weight.requires_grad) for weight in network.parameters()]
    trained, whole = sum(n for n, fitted in sizes if fitted), sum(n for n, _ in sizes)
    if not trained:
        raise UserError(
            f"option 'fine_tuning.trainable' = {config.trainable} leaves nothing of "
            f"{type(network).__name__} to train: choose more, or add 'low_rank'."
        )
    return f"fine-tuning: {trained:,} of {whole:,} weights are trained ({trained / whole:.1%})"


def trainable_weights(network: nn.Module, trainable: str | Sequence[str]) -> set[str]:
    """Return the names of the weights that are to be trained.

    Raises
    ------
    UserError
        If a pattern matches nothing, or the network offers no such group.
    """
    names = [name for name, _ in network.named_parameters()]
    if trainable == "all":
        return set(names)
    if not isinstance(trainable, str):
        return _choose(names, set(), trainable, type(network).__name__)
    groups = _groups(network)
    if trainable not in groups:
        raise UserError(
            f"option 'fine_tuning.trainable' = {trainable} is no group of "
            f"{type(network).__name__}: {nearest(trainable, ['all', *groups])} Or give a list of "
            "patterns of names of weights."
        )
    return _choose(names, set(names), groups[trainable], type(network).__name__)


def _groups(network: nn.Module) -> Mapping[str, Sequence[str]]:
    """Return the groups that a network, or one inside of it, offers; patterns from its root.

    A network offers them as its attribute ``trainable_groups``: patterns of its weights' names
    that are read in order, from all weights on.
    """
    for place, part in network.named_modules():
        if hasattr(part, "trainable_groups"):
            front = f"{place}." if place else ""
            return {
                group: [
                    f"!{front}{pattern[1:]}" if pattern.startswith("!") else front + pattern
                    for pattern in patterns
                ]
                for group, patterns in part.trainable_groups.items()
            }
    return {}


def _choose(names: list[str], start: set[str], patterns: Sequence[str], owner: str) -> set[str]:
    """Return the names that patterns add to ``start`` or, behind ``!``, take from it, in order."""
    chosen = set(start)
    for pattern in patterns:
        found = _matching(names, pattern.removeprefix("!"), "trainable", owner)
        chosen = chosen - found if pattern.startswith("!") else chosen | found
    return chosen


def _matching(names: Collection[str], pattern: str, option: str, owner: str) -> set[str]:
    found = {name for name in names if fnmatchcase(name, pattern)}
    if not found:
        raise UserError(
            f"option 'fine_tuning.{option}': '{pattern}' matches nothing in {owner}: "
            f"{nearest(pattern, map(short_name, names))}"
        )
    return found


class LowRankLinear(nn.Linear):
    r"""A linear layer that stays, and a change of low rank that is trained.

    .. math:: y = W x + b + \frac{\alpha}{r} B A x

    :math:`B` starts at zero, so that the layer answers as it did.

    Parameters
    ----------
    layer
        The layer; its weights are taken over and frozen.
    rank
        :math:`r`.
    alpha
        :math:`\alpha`.

    References
    ----------
    Hu et al. (2021), LoRA: low-rank adaptation of large language models, equation 3.
    """

    def __init__(self, layer: nn.Linear, rank: int, alpha: float) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = layer.in_features, layer.out_features
        self.weight, self.bias = layer.weight, layer.bias
        self.requires_grad_(False)
        self.scale = alpha / rank
        self.down = nn.Parameter(torch.empty(rank, layer.in_features, device=layer.weight.device))
        self.up = nn.Parameter(torch.zeros(layer.out_features, rank, device=layer.weight.device))
        nn.init.kaiming_uniform_(self.down, a=5**0.5)  # as a linear layer starts

    def forward(self, values: Tensor) -> Tensor:
        """Return the layer's answer ``[..., output]``."""
        change = linear(linear(values, self.down), self.up)
        return linear(values, self.weight, self.bias) + self.scale * change

    def merged(self) -> Tensor:
        """Return the weight of a plain layer that answers the same."""
        return self.weight + self.scale * self.up @ self.down


def add_low_rank(network: nn.Module, config: LowRankConfig) -> None:
    """Replace linear layers by :class:`LowRankLinear`.

    Raises
    ------
    UserError
        If a pattern matches no linear layer. Those inside ``nn.MultiheadAttention`` are not
        called as layers, and so are none.
    """
    layers = {name: part for name, part in network.named_modules() if type(part) is nn.Linear}
    owner = type(network).__name__
    for pattern in config.layers:
        for name in sorted(_matching(layers, pattern, "low_rank.layers", owner)):
            changed = LowRankLinear(layers[name], config.rank, config.alpha)
            network.set_submodule(name, changed)


def plain_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return the weights of a network with changes of low rank merged into their layers."""
    state = dict(network.state_dict())
    for name, part in network.named_modules():
        if isinstance(part, LowRankLinear):
            front = f"{name}." if name else ""
            state[f"{front}weight"] = part.merged().detach()
            del state[f"{front}down"], state[f"{front}up"]
    return state


def short_name(name: str) -> str:
    """Return a name with stars for numbers, alike for all blocks of a network.

    Examples
    --------
    >>> short_name("blocks.11.norm.weight")
    'blocks.*.norm.weight'
    """
    return ".".join("*" if part.isdigit() else part for part in name.split("."))
