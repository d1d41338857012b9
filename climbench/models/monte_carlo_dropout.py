"""An ensemble from one network: dropout stays active while members are drawn."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from climbench.errors import UserError
from climbench.models.backbone import backbone_loss, build_backbone, check_members
from climbench.models.noise import generators
from climbench.tasks.sample import Sample, Signature

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)


class MonteCarloDropout(nn.Module):
    """A network with dropout, of which each member keeps other activations.

    Trained as the backbone alone; ``forward`` is the network without dropout, the usual
    approximation of the mean over all ways to drop. A member drops activations in every dropout
    layer, by generators that its number and the sample seed. Normalisation keeps its running
    means, and what is dropped outside of a dropout layer (attention weights, whole blocks) is
    dropped in training only. The masks are drawn apart for each cell or patch; what the members
    differ in is smoothed by the layers that follow.

    Parameters
    ----------
    signature
        The question.
    backbone
        ``_target_`` of the network and its options, with dropout.
    members
        Size of the ensemble.

    Raises
    ------
    UserError
        If the backbone has no dropout, or there is no member.

    References
    ----------
    Gal and Ghahramani (2016), Dropout as a Bayesian approximation, ICML.
    """

    def __init__(self, signature: Signature, backbone: dict[str, Any], members: int = 16) -> None:
        super().__init__()
        name = type(self).__name__
        self.members = check_members(name, members, least=2)
        self.backbone = build_backbone(name, backbone, signature)
        self.layers = [  # a plain list: they are modules of the backbone already
            part for part in self.backbone.modules() if isinstance(part, DROPOUTS) and part.p > 0
        ]
        if not self.layers:
            raise UserError(
                f"{name}: the backbone '{backbone['_target_']}' drops nothing: set its option "
                "'dropout' above 0, or take a backbone that has one."
            )

    def forward(self, sample: Sample) -> Tensor:
        """Return the answer ``[batch, lead, target, latitude, longitude]``."""
        answer: Tensor = self.backbone(sample)
        return answer

    def loss(self, sample: Sample, weights: Tensor) -> Tensor:
        """Return the backbone's loss."""
        return backbone_loss(self.backbone, sample, weights)

    def draw(self, sample: Sample, member: int) -> Tensor:
        """Return the answer of one member, shaped like :meth:`forward`."""
        with _dropping(self.layers, generators(sample, member)):
            return self.forward(sample)


@contextmanager
def _dropping(layers: Sequence[nn.Module], seeded: list[torch.Generator]) -> Iterator[None]:
    """Let dropout layers drop, each sample by its own generator."""

    def drop(layer: nn.Module, given: tuple[Tensor, ...], passed: Tensor) -> Tensor:
        # Tokens of a sample may be in the batch.
        each = given[0].reshape(len(seeded), -1, *given[0].shape[1:])
        kept = torch.stack([keep(layer, each.shape[1:], one) for one in seeded])
        dropped: Tensor = (each * kept.to(each)).reshape(passed.shape)
        return dropped

    hooks = [layer.register_forward_hook(drop) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def keep(layer: nn.Module, shape: torch.Size, generator: torch.Generator) -> Tensor:
    """Return the factors of a dropout layer: 0, or 1 over the share that is kept ``shape``."""
    rate = float(layer.p)  # type: ignore[arg-type]  # all of DROPOUTS have it
    maps = shape if isinstance(layer, nn.Dropout) else (*shape[:2], *[1] * (len(shape) - 2))
    kept = torch.rand(maps, generator=generator) >= rate
    return (kept / (1.0 - rate)).expand(shape)
