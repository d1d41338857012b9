"""Small networks to wrap, and samples to ask them."""

from typing import Any

import torch
from torch import nn

from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

RESNET: dict[str, Any] = {
    "_target_": "climbench.models.resnet.ResNet",
    "hidden_channels": 8,
    "blocks": 1,
    "dropout": 0.2,
    "calendar": True,
    "residual": True,
}
VIT: dict[str, Any] = {
    "_target_": "climbench.models.vit.ViT",
    "patch_size": 4,
    "embed_dim": 16,
    "depth": 1,
    "num_heads": 2,
    "dropout": 0.2,
}
WEIGHTS = torch.ones(GLOBAL.shape[0], 1)


def shaken(model: torch.nn.Module) -> torch.nn.Module:
    """Return a model whose heads of zeros are none any more, as after some training."""
    generator = torch.Generator().manual_seed(1)
    for weight in model.parameters():
        weight.data += 0.05 * torch.randn(weight.shape, generator=generator)
    return model.eval()


def only(sample: Sample, *places: int) -> Sample:
    """Return some samples of a batch, in the order asked."""
    fields = sample._asdict().items()
    return Sample(**{k: v if k == "static" else v[list(places)] for k, v in fields})


def with_gap(sample: Sample) -> Sample:
    """Return samples with a third of their targets missing."""
    targets = sample.targets.clone()
    targets[..., ::3] = torch.nan
    return sample._replace(targets=targets)


def asked(batch: int = 4) -> Sample:
    """Return random samples of the small globe."""
    return random_sample(GLOBAL, batch)


class OneNorm(nn.Module):
    """The least network that noise can enter: it normalises zeros, the same everywhere."""

    def __init__(self, signature: Signature) -> None:
        super().__init__()
        self.width = signature.leads * len(signature.targets)
        self.norm = nn.LayerNorm(self.width)

    def forward(self, sample: Sample) -> torch.Tensor:
        """Return the norm's bias, and what modulates it."""
        targets = sample.targets
        values = self.norm(targets.new_zeros(len(targets), self.width))
        return values.reshape(*targets.shape[:3], 1, 1).expand_as(targets)
