"""An ensemble of networks that differ by where they started."""

from typing import Any

import torch
from torch import Tensor, nn

from climbench.models.backbone import backbone_loss, build_backbone, check_members
from climbench.tasks.sample import Sample, Signature


class DeepEnsemble(nn.Module):
    """Networks of one kind, each trained from its own random weights by its own loss.

    They share the batches, but nothing else: the loss is the mean of theirs, so that the gradient
    of a network is that of its own loss alone (and Adam takes no notice of the factor), and
    gradients are limited network by network, as if each were trained alone (but where weights are
    sharded, FSDP: all together). Dropout differs between them. In the publication the order of
    the samples differs as well. A network
    that draws members itself (:class:`~climbench.models.gaussian_head.GaussianHead`, as in the
    publication) is asked for its members in turn.

    Parameters
    ----------
    signature
        The question.
    backbone
        ``_target_`` of the network and its options.
    networks
        How many.

    Raises
    ------
    UserError
        If there are fewer than two networks, or the backbone is none.

    References
    ----------
    Lakshminarayanan, Pritzel and Blundell (2017), Simple and scalable predictive uncertainty
    estimation using deep ensembles, NeurIPS.
    """

    def __init__(self, signature: Signature, backbone: dict[str, Any], networks: int = 5) -> None:
        super().__init__()
        name = type(self).__name__
        check_members(name, networks, least=2)
        self.networks = nn.ModuleList(
            build_backbone(name, backbone, signature) for _ in range(networks)
        )
        self.forward_is_mean_of_members = not hasattr(self.networks[0], "draw")
        self.members = sum(max(1, getattr(network, "members", 0)) for network in self.networks)

    def forward(self, sample: Sample) -> Tensor:
        """Return the mean over the networks ``[batch, lead, target, latitude, longitude]``."""
        return torch.stack([network(sample) for network in self.networks]).mean(dim=0)

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the mean of the networks' own losses."""
        losses = [backbone_loss(network, sample, weights) for network in self.networks]
        return torch.stack(losses).mean()

    def clip_gradients(self, limit: float) -> None:
        """Limit the norm of each network's gradient, in units of its own loss."""
        for network in self.networks:
            nn.utils.clip_grad_norm_(network.parameters(), limit / len(self.networks))

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return the answer of one member, shaped like :meth:`forward`."""
        network: Any = self.networks[member % len(self.networks)]
        answer: Tensor = (
            network.draw(sample, member) if hasattr(network, "draw") else network(sample)
        )
        return answer
