"""One network for many climate models: the right part answers, a new one starts from the mean."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from climbench.config import FineTuningConfig
from climbench.errors import UserError
from climbench.models.climate_model_heads import ClimateModelHeads, Heads
from climbench.testing.model_contract import CHECKS, GLOBAL, random_sample
from climbench.training.fine_tuning import fine_tune

THREE = replace(GLOBAL, climate_models=("CanESM5", "MIROC6", "NorESM2-LM"))
CNN = {"_target_": "climbench.models.cnn_lstm.CNNLSTM", "filters": 4, "hidden": 4}
UNET = {
    "_target_": "climbench.models.unet.UNet",
    "encoder": [[4], [4]],
    "decoder": [4, 4],
}


def model(signature=THREE, **options):
    torch.manual_seed(0)
    return ClimateModelHeads(signature, **({"backbone": CNN, "size": 8} | options))


def shaken(signature=THREE, **options):
    """Return a network whose climate models are told apart."""
    network = model(signature, **options)
    for weight in network.parameters():
        weight.data += 0.1 * torch.randn_like(weight)
    return network.eval()


@pytest.mark.parametrize("kind", ["head", "embedding"])
@pytest.mark.parametrize("check", CHECKS)
def test_contract_with_three_climate_models(check, kind):
    CHECKS[check](lambda signature: model(signature, kind=kind), THREE)


def test_heads_have_the_published_size():
    # 2 -> 32 -> 32 -> 2 for each of six climate models
    count = sum(weight.numel() for weight in Heads(6, 1, 2, 32, rectified=False).parameters())
    assert count == 6 * ((2 * 32 + 32) + (32 * 32 + 32) + (32 * 2 + 2))


@pytest.mark.parametrize("rectified", [True, False])
def test_each_head_is_three_convolutions_of_one_cell(rectified):
    heads = Heads(3, leads=2, targets=2, hidden=8, rectified=rectified)
    for weight in heads.parameters():
        weight.data.normal_()
    answer, which = torch.randn(4, 2, 2, 3, 5), torch.tensor([2, 0, 1, 2])
    for row, at in enumerate(which):
        layers = []
        for weight, bias in zip(heads.weights, heads.biases, strict=True):
            layer = nn.Conv2d(weight.shape[2], weight.shape[1], 1)
            layer.weight.data, layer.bias.data = weight.data[at, :, :, None, None], bias.data[at]
            layers += [layer, nn.ReLU() if rectified else nn.Identity()]
        expected = nn.Sequential(*layers[:-1])(answer[row].reshape(1, 4, 3, 5))
        found = heads(answer, which)[row]
        torch.testing.assert_close(found, expected.reshape(2, 2, 3, 5), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["head", "embedding"])
def test_climate_models_start_alike_and_only_those_met_learn(kind):
    network, sample = model(kind=kind), random_sample(THREE, 2)
    asked = [sample._replace(climate_model=torch.full((2,), at)) for at in range(3)]
    assert torch.equal(network(asked[0]), network(asked[2]))
    network(asked[1]).square().sum().backward()
    own = [w.grad for n, w in network.named_parameters() if not n.startswith("backbone.")]
    assert all(grad[1].any() and not grad[[0, 2]].any() for grad in own)


@pytest.mark.parametrize("kind", ["head", "embedding"])
def test_a_new_climate_model_starts_from_the_mean_of_the_known(kind):
    known = shaken(kind=kind)
    new = replace(THREE, climate_models=("NorESM2-LM", "TaiESM1"))
    found = model(new, kind=kind).adapt_weights(known.state_dict(), THREE)
    adapted, changed = found.weights, found.changed
    parts = {n: w for n, w in known.named_parameters() if not n.startswith("backbone.")}
    assert set(changed) == set(parts)
    for name, weight in parts.items():
        assert torch.equal(adapted[name][0], weight[2])
        torch.testing.assert_close(adapted[name][1], weight.mean(dim=0))
    network = model(new, kind=kind).eval()
    network.load_state_dict(adapted)
    sample = random_sample(THREE, 2)
    first = network(sample._replace(climate_model=torch.tensor([0, 0])))
    expected = known(sample._replace(climate_model=torch.tensor([2, 2])))
    torch.testing.assert_close(first, expected)


def test_a_network_without_heads_becomes_the_shared_one():
    network = model()
    plain = network.backbone.state_dict()
    adapted = network.adapt_weights(plain, GLOBAL)
    assert not adapted.changed
    assert set(adapted.weights) == {f"backbone.{name}" for name in plain}


def test_a_frozen_backbone_keeps_its_weights_and_running_means():
    network = model(backbone=UNET).train()
    fine_tune(network, FineTuningConfig(trainable="heads"))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    optimizer = torch.optim.SGD([w for w in network.parameters() if w.requires_grad], lr=0.1)
    network(random_sample(THREE, 4)).square().mean().backward()
    optimizer.step()
    after = network.state_dict()
    moved = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert moved and not any(name.startswith("backbone.") for name in moved)


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        ("torch.nn.Conv2d", "takes a 'signature'"),
        (None, "takes a 'signature'"),
        ("climbench.models.climatology.Climatology", "no weights that gradients fit"),
    ],
)
def test_a_backbone_that_is_none_is_refused(target, sentence):
    with pytest.raises(UserError, match=sentence):
        model(backbone={"_target_": target})


@pytest.mark.parametrize("kind", ["head", "embedding"])
def test_a_climate_model_that_was_not_trained_is_refused(kind):
    sample = random_sample(THREE, 2)
    beyond = sample._replace(climate_model=torch.tensor([0, 3]))  # what the task gives to others
    with pytest.raises(UserError, match=r"name it in option 'climate_models.train'"):
        model(kind=kind)(beyond)
