"""Building the network that a model's configuration names, from this package or from outside."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from climbench.config import instantiate, locate
from climbench.errors import UserError
from climbench.models.backbone import check_layout
from climbench.tasks.sample import Sample, Signature


def build_network(node: Mapping[str, Any], signature: Signature) -> nn.Module:
    """Return the network ``node['_target_']`` with the node's options.

    A constructor with a parameter ``signature`` is given it, and its network is called with a
    :class:`~climbench.tasks.sample.Sample`. Any other ``torch.nn.Module`` is taken for an image
    network, see :class:`ImageNetwork`.

    Raises
    ------
    UserError
        If the target or an option is wrong, or what is built is no ``torch.nn.Module``.
    """
    check_layout(node, signature)
    knows_samples = "signature" in inspect.signature(locate(str(node.get("_target_")))).parameters
    for key, value in node.items():
        if isinstance(value, int) and value < 0:
            raise UserError(f"option 'network.{key}' = {value} is wrong: it counts something.")
    try:
        network = instantiate(node, **({"signature": signature} if knows_samples else {}))
    except (ValueError, RuntimeError, AssertionError) as error:
        name = str(node["_target_"]).rpartition(".")[2]
        raise UserError(f"{name} cannot be built with its options: {error}.") from error
    if not isinstance(network, nn.Module):
        raise UserError(f"_target_ '{node['_target_']}' builds no torch.nn.Module.")
    return network if knows_samples else ImageNetwork(network, signature)


class ImageNetwork(nn.Module):
    """A network that maps channels of an image, and knows nothing of samples.

    It is given ``[batch, history * input + lead * forcing + static, latitude, longitude]`` and
    must return ``[batch, lead * target, latitude, longitude]``.
    """

    def __init__(self, network: nn.Module, signature: Signature) -> None:
        super().__init__()
        self.network, self.signature = network, signature
        self._check()

    def forward(self, sample: Sample) -> Tensor:
        """Return ``[batch, lead, target, latitude, longitude]``."""
        channels = [
            sample.inputs.flatten(1, 2),
            sample.forcings.flatten(1, 2),
            sample.static.expand(len(sample.inputs), -1, -1, -1),
        ]
        maps: Tensor = self.network(torch.cat(channels, dim=1))
        leads, targets = self.signature.leads, len(self.signature.targets)
        return maps.reshape(len(maps), leads, targets, *maps.shape[2:])

    def _check(self) -> None:
        """Show the network a blank image, so that a wrong number of channels is found at once."""
        ask = self.signature
        channels = ask.history * len(ask.inputs) + ask.leads * len(ask.forcings) + len(ask.static)
        image = torch.zeros(1, channels, *ask.shape)
        wanted = (1, ask.leads * len(ask.targets), *ask.shape)
        training = self.network.training
        try:
            with torch.no_grad():
                answer = tuple(self.network.eval()(image).shape)
        except RuntimeError as error:
            answer = (str(error),)
        if answer != wanted:
            raise UserError(
                f"{type(self.network).__name__} must turn an image of {tuple(image.shape)} (batch, "
                f"channels of inputs, forcings and static fields, latitude, longitude) into "
                f"{wanted} (batch, leads x targets, ...), and gave {answer}."
            )
        self.network.train(training)
