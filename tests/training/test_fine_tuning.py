"""Parts of a network are trained: chosen weights, changes of low rank, other learning rates."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from small_climax import OPTIONS as SMALL
from small_stores import weather, write_store
from small_training import OPTIONS, TRAINER
from torch import nn

from climbench.config import FineTuningConfig, LowRankConfig, ModelConfig, OptimizerConfig
from climbench.errors import UserError
from climbench.models.climax_forecasting import ClimaX
from climbench.models.resnet import ResNet
from climbench.tasks import DirectForecasting
from climbench.tasks.task import Normalisation
from climbench.testing.model_contract import GLOBAL, random_sample
from climbench.training import load_checkpoint, train
from climbench.training.fine_tuning import (
    LowRankLinear,
    fine_tune,
    plain_weights,
    trainable_weights,
)
from climbench.training.gradient import GradientModule

LAYERS = ("encoder.blocks.*.query_key_value", "encoder.blocks.*.perceptron.1")
LOW_RANK = LowRankConfig(layers=LAYERS, rank=2, alpha=4)
CLIMAX = (
    {"_target_": "climbench.models.climax_forecasting.ClimaX", "default_vars": []}
    | SMALL
    | {"patch_size": 8}
)


def small():
    torch.manual_seed(0)
    return ClimaX(GLOBAL, default_vars=(), **SMALL).eval()


def trained(network):
    return {name for name, weight in network.named_parameters() if weight.requires_grad}


def step(network, rate=0.1):
    """Take a step of gradient descent."""
    fitted = [weight for weight in network.parameters() if weight.requires_grad]
    optimizer = torch.optim.SGD(fitted, lr=rate)
    network(random_sample(GLOBAL, 2)).square().mean().backward()
    optimizer.step()


def test_patterns_are_read_in_order():
    network = small()
    fine_tune(network, FineTuningConfig(trainable=("head.*", "!head.*.bias", "encoder.lead.bias")))
    assert trained(network) == {"head.0.weight", "head.2.weight", "head.4.weight"} | {
        "encoder.lead.bias"
    }


def test_only_what_is_chosen_changes_and_the_line_counts_it():
    network = small()
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    line = fine_tune(network, FineTuningConfig(trainable="head"))
    step(network)
    moved = {n for n, weight in network.named_parameters() if not torch.equal(weight, before[n])}
    assert moved and all(name.startswith("head.") for name in moved)
    size = sum(before[name].numel() for name in trained(network))
    whole = sum(weight.numel() for weight in before.values())
    assert line == f"fine-tuning: {size:,} of {whole:,} weights are trained ({size / whole:.1%})"


def test_groups_of_a_network_inside_another_are_known():
    outer = nn.ModuleDict({"backbone": small()})
    names = trainable_weights(outer, "head")
    assert names and all(name.startswith("backbone.head.") for name in names)
    outer["extra"] = nn.Linear(1, 1)
    assert "extra.weight" in trainable_weights(outer, "frozen")


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"trainable": ["heda.*"]}, r"trainable': 'heda\.\*' matches nothing in ClimaX: valid"),
        ({"trainable": "forzen"}, "= forzen is no group of ClimaX: did you mean 'frozen'?"),
        ({"trainable": ["head.*", "!head.*"]}, "leaves nothing of ClimaX to train"),
        ({"low_rank": {"layers": ["encoder.norm"]}}, r"low_rank\.layers': 'encoder\.norm' matches"),
        ({"low_rank": {"layers": ["*.out_proj"]}}, "matches nothing"),  # never called as a layer
    ],
)
def test_mistakes_are_named(config, sentence):
    with pytest.raises(UserError, match=sentence):
        fine_tune(small(), FineTuningConfig(**config))


def test_frozen_batch_norms_keep_their_running_means():
    network = ResNet(GLOBAL, hidden_channels=4, blocks=1).train()
    norms = [n for n, part in network.named_modules() if isinstance(part, nn.BatchNorm2d)]
    fine_tune(network, FineTuningConfig(trainable=["*", *(f"!{n}.*" for n in norms[1:])]))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network(random_sample(GLOBAL, 2))
    moved = [n for n, value in network.state_dict().items() if not torch.equal(value, before[n])]
    assert moved and all(name.startswith(f"{norms[0]}.") for name in moved)


def test_a_change_of_low_rank_starts_as_none_and_merges_into_plain_weights():
    network, sample = small(), random_sample(GLOBAL, 2)
    before = network(sample)
    plain = {name: values.clone() for name, values in network.state_dict().items()}
    fine_tune(network, FineTuningConfig(trainable="head", low_rank=LOW_RANK))
    torch.testing.assert_close(network(sample), before, rtol=0, atol=0)
    assert {name.split(".")[-1] for name in trained(network) if "blocks" in name} == {"down", "up"}
    step(network)
    for part in network.modules():
        if isinstance(part, LowRankLinear):
            part.up.data.normal_()
    assert not torch.allclose(network(sample), before, rtol=1e-3)
    merged = plain_weights(network)
    assert set(merged) == set(plain)
    changed = {name for name in plain if not torch.equal(plain[name], merged[name])}
    blocks = {name for name in changed if "blocks" in name}
    assert len(blocks) == 4 and changed - blocks == {n for n in plain if n.startswith("head.")}
    ranks = [int(torch.linalg.matrix_rank(merged[n] - plain[n], rtol=1e-3)) for n in blocks]
    assert ranks == [2, 2, 2, 2]
    again = small()
    again.load_state_dict(merged)
    torch.testing.assert_close(again(sample), network(sample), rtol=1e-4, atol=1e-5)


def test_betas_and_rates_reach_the_optimizer():
    names = tuple(dict.fromkeys((*GLOBAL.inputs, *GLOBAL.forcings, *GLOBAL.static)))
    scale = Normalisation(names, (0.0,) * len(names), (1.0,) * len(names))
    config = OptimizerConfig(learning_rate=0.5, betas=(0.8, 0.9), schedule="constant")
    module = GradientModule(nn.Linear(2, 1), GLOBAL, scale, {}, optimizer=config)
    module.rates = {"bias": 0.1}
    module._trainer = SimpleNamespace(max_epochs=1, estimated_stepping_batches=9, callbacks=[])
    groups = module.configure_optimizers()["optimizer"].param_groups
    assert [(group["lr"], group["betas"]) for group in groups] == [
        (0.5, (0.8, 0.9)),
        (0.05, (0.8, 0.9)),
    ]
    with pytest.raises(ValueError, match="'betas' are options of adam"):
        OptimizerConfig(name="sgd", learning_rate=0.1, betas=(0.9, 0.99))


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    times = pd.date_range("2000-01-01", "2000-04-30T18", freq="6h")
    store = write_store(tmp_path_factory.mktemp("stores") / "planet", weather(times))
    return DirectForecasting(store=store, **OPTIONS, lead_times=(6,))


def model(rate, **options):
    optimizer = OptimizerConfig(learning_rate=rate, weight_decay=0.0, schedule="constant")
    return ModelConfig(name="climax", network=CLIMAX, optimizer=optimizer, **options)


def test_a_training_of_low_rank_leaves_a_plain_checkpoint_and_a_report(task, tmp_path):
    first = train(task, model(1e-3), TRAINER, tmp_path / "first")
    tuning = FineTuningConfig(trainable="head", low_rank=LOW_RANK, pretrained_rate=0.5)
    options = {"initial_weights": first, "fine_tuning": tuning}
    second = train(task, model(1e-2, **options), TRAINER, tmp_path / "second")
    start, end = (torch.load(path, weights_only=True)["state_dict"] for path in (first, second))
    moved = {name for name in start if not torch.equal(start[name], end[name])}
    assert set(start) == set(end)
    assert {name.split(".")[0] for name in moved} == {"head", "encoder"}
    blocks = {name for name in moved if name.startswith("encoder.")}
    assert len(blocks) == 4 and all(name.startswith("encoder.blocks.") for name in blocks)
    load_checkpoint(second)  # needs nothing of low rank
    report = json.loads((tmp_path / "second" / "initial_weights.json").read_text())
    assert {line["became"] for line in report["lines"]} == {"matched"}
    assert len(report["lines"]) == len(report["taken"]) == len(start)


def test_fine_tuning_is_for_networks_and_rates_for_initial_weights():
    with pytest.raises(ValueError, match="'fine_tuning' is for networks"):
        ModelConfig(name="x", network={}, fine_tuning={"trainable": "all"})
    with pytest.raises(ValueError, match="needs 'initial_weights'"):
        model(1e-3, fine_tuning={"pretrained_rate": 0.1})
