"""Weights of another network on their way into one: what ``adapt_weights`` of a network returns."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Adapted:
    """Another network's weights under the names and sizes of a network.

    Attributes
    ----------
    weights
        By the network's names; what is not in it keeps the network's own.
    changed
        What was done to a weight, or why it is of no use, by the network's name for it.
    origins
        The network's name for each weight that has another one in the file.
    """

    weights: dict[str, Tensor]
    changed: dict[str, str] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)

    def refuse(self, name: str, reason: str) -> None:
        """Leave a weight out, and say why."""
        self.weights.pop(name, None)
        self.changed[name] = reason
