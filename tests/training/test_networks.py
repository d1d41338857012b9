"""Options that no network can be built with are named before anything is trained."""

import pytest

from climbench.errors import UserError
from climbench.testing.model_contract import GLOBAL
from climbench.training.network import build_network

VIT = {"_target_": "climbench.models.vit.ViT", "patch_size": 4, "embed_dim": 16, "depth": 1}
RESNET = {"_target_": "climbench.models.resnet.ResNet", "hidden_channels": 8, "blocks": 1}


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (VIT | {"num_heads": 3}, "embed_dim = 16 must be a multiple of num_heads = 3"),
        (VIT | {"depth": -1}, "'network.depth' = -1 is wrong"),
        (RESNET | {"dropout": 1.5}, "ResNet cannot be built with its options: dropout"),
    ],
)
def test_options_that_build_nothing(node, sentence):
    with pytest.raises(UserError, match=sentence):
        build_network(node, GLOBAL)
