"""Every wrapper around every network: what trains is trained, members belong to their sample."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from small_backbones import RESNET, VIT, WEIGHTS, asked, only, shaken

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.noise_conditioned import NoiseConditioned
from climbench.testing.model_contract import GLOBAL
from climbench.training.recomputation import recompute_blocks

CONF = Path(__file__).parents[2] / "conf" / "model"
MODELS = "climbench.models"
TOKENS: dict[str, Any] = {"patch_size": 4, "embed_dim": 8, "depth": 1}
FRAMES: dict[str, Any] = {"frame_channels": 4, "hidden_channels": 8, "blocks": 2}
BACKBONES: dict[str, dict[str, Any]] = {
    "resnet": RESNET | {"residual": False},
    "unet": {"_target_": f"{MODELS}.unet.UNet", "encoder": [[4], [4]], "decoder": [4, 4]},
    "residual_unet": {
        "_target_": f"{MODELS}.residual_unet.ResidualUNet",
        "hidden_channels": 4,
        "multipliers": [1, 2],
        "blocks": 1,
    },
    "vit": VIT | {"num_heads": 2, "drop_path": 0.0},
    "climax": TOKENS | {"_target_": f"{MODELS}.climax_forecasting.ClimaX", "num_heads": 2},
    "conv_lstm": {"_target_": f"{MODELS}.conv_lstm.ConvLSTM", "hidden_channels": [4], "kernel": 3},
    "simvp": FRAMES | {"_target_": f"{MODELS}.simvp.SimVP", "dropout": 0.1},
    "tau": FRAMES | {"_target_": f"{MODELS}.simvp.TAU", "dropout": 0.1},
    "met2net": FRAMES | {"_target_": f"{MODELS}.met2net.Met2Net", "dropout": 0.1},
    "sfno": {"_target_": f"{MODELS}.sfno.SFNO", "embed_dim": 4, "depth": 2, "scale_factor": 2},
    "afno": TOKENS | {"_target_": f"{MODELS}.afno.AFNO", "num_blocks": 2},
    "swin": {
        "_target_": f"{MODELS}.swin.Swin",
        "patch_size": 2,
        "embed_dim": 8,
        "num_heads": 2,
        "depths": [1, 1, 1],
    },
    "stormer": TOKENS | {"_target_": f"{MODELS}.stormer.Stormer", "num_heads": 2},
    "graph": {
        "_target_": f"{MODELS}.graph.GraphNetwork",
        "mesh_level": 1,
        "latent_size": 4,
        "steps": 1,
    },
}
WRAPPERS: dict[str, dict[str, Any]] = {
    "noise_conditioned": {"_target_": f"{MODELS}.noise_conditioned.NoiseConditioned"},
    "diffusion": {"_target_": f"{MODELS}.diffusion.Diffusion", "levels": 2},
    "gaussian_head": {"_target_": f"{MODELS}.gaussian_head.GaussianHead"},
    "monte_carlo_dropout": {"_target_": f"{MODELS}.monte_carlo_dropout.MonteCarloDropout"},
    "deep_ensemble": {"_target_": f"{MODELS}.deep_ensemble.DeepEnsemble", "networks": 2},
}
OWN_LOSS = {"tau", "met2net"}
NO_DROPOUT = {"unet", "conv_lstm", "sfno", "afno", "swin", "stormer", "graph"}
NO_NORM = {"conv_lstm"}


def refusal(wrapper: str, backbone: str) -> str | None:
    if wrapper in ("noise_conditioned", "diffusion", "gaussian_head") and backbone in OWN_LOSS:
        return "is trained by a loss of its own"
    if wrapper == "monte_carlo_dropout" and backbone in NO_DROPOUT:
        return "drops nothing"
    if wrapper == "noise_conditioned" and backbone in NO_NORM:
        return "no normalisation layer"
    return None


def built(wrapper: str, backbone: str) -> Any:
    node = WRAPPERS[wrapper] | {"backbone": BACKBONES[backbone]}
    return instantiate(node, signature=GLOBAL)


PAIRS = [(wrapper, backbone) for wrapper in WRAPPERS for backbone in BACKBONES]
REFUSED = [pair for pair in PAIRS if refusal(*pair)]
ACCEPTED = [pair for pair in PAIRS if not refusal(*pair)]


@pytest.mark.parametrize(("wrapper", "backbone"), REFUSED)
def test_pairs_without_sense_are_refused(wrapper, backbone):
    with pytest.raises(UserError, match=refusal(wrapper, backbone)):
        built(wrapper, backbone)


@pytest.mark.parametrize(("wrapper", "backbone"), ACCEPTED)
def test_all_that_trains_gets_a_gradient_and_members_belong_to_their_sample(wrapper, backbone):
    torch.manual_seed(0)
    model, sample = built(wrapper, backbone), asked(2)
    shaken(model).train().loss(sample, WEIGHTS).backward()
    for name, weight in model.named_parameters():
        if weight.requires_grad:  # without a gradient DDP waits for it forever
            assert weight.grad is not None, name
            assert bool(torch.isfinite(weight.grad).all()), name
    with torch.no_grad():
        drawn = model.eval().draw(sample, 1)
        torch.testing.assert_close(model.draw(only(sample, 1), 1), drawn[[1]], atol=1e-4, rtol=1e-4)
        assert not torch.allclose(model.draw(sample, 0), drawn)


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_members_are_the_same_after_a_checkpoint(wrapper, tmp_path):
    model, sample = built(wrapper, "resnet"), asked(2)
    shaken(model).train().loss(sample, WEIGHTS)  # what it counts while training is kept as well
    torch.save(model.state_dict(), tmp_path / "weights")
    other = built(wrapper, "resnet")
    other.load_state_dict(torch.load(tmp_path / "weights", weights_only=True))
    drawn = [each.eval().draw(sample, 1) for each in (model, other)]
    torch.testing.assert_close(*drawn, rtol=0, atol=0)


def test_published_sizes():
    with torch.device("meta"):
        sizes = {name: size(name) for name in ("resnet", *PUBLISHED)}
    assert sizes["resnet_dropout"] == sizes["resnet"]
    log_variances = 2 * 2 * (7 * 7 * 128 + 1)  # leads x targets more from the head of 7 x 7 cells
    assert sizes["gaussian"] == sizes["resnet"] + log_variances
    assert sizes["deep_ensemble"] == 5 * sizes["gaussian"]


PUBLISHED = ("resnet_dropout", "gaussian", "deep_ensemble")


def size(name: str) -> int:
    node = yaml.safe_load((CONF / f"{name}.yaml").read_text())["network"]
    return sum(weight.numel() for weight in instantiate(node, signature=GLOBAL).parameters())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_ensembles_are_of_the_published_network(name):
    node, plain = (
        yaml.safe_load((CONF / f"{each}.yaml").read_text())["network"] for each in (name, "resnet")
    )
    while "backbone" in node:
        node = node["backbone"]
    assert node == plain


def test_what_is_computed_again_for_the_gradient_meets_the_same_noise():
    gradients = []
    for again in (False, True):
        torch.manual_seed(0)
        model = shaken(NoiseConditioned(GLOBAL, RESNET, noise=4))
        if again:
            recompute_blocks(model)
        samples = asked(2), asked(3)  # a gradient of two passes, as in training by steps
        losses = [model.loss(sample, WEIGHTS) for sample in samples]
        torch.stack(losses).sum().backward()
        gradients.append([weight.grad for weight in model.parameters()])
    torch.testing.assert_close(gradients[0], gradients[1])
