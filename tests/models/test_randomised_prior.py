"""Randomised priors: published sizes, what each member sees, two fidelities. Data are simulated."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.hashed_noise import uniform
from climbench.models.mlp import MLP
from climbench.models.randomised_prior import MultiFidelityPrior, RandomisedPrior
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

CONF = Path(__file__).parents[2] / "conf" / "model"
SMALL = {"_target_": "climbench.models.mlp.MLP", "width": 32, "depth": 2}
LEVELS = [f"air_temperature_{level}" for level in range(26)]
HUMIDITY = [f"specific_humidity_{level}" for level in range(22)]
COLUMN = Signature(  # a column of 26 levels, four of humidity left out, and four fluxes
    inputs=(*LEVELS, *HUMIDITY, "pressure", "sunshine", "sensible_heat", "latent_heat"),
    forcings=(),
    static=(),
    targets=(*LEVELS, *HUMIDITY),
    history=1,
    leads=1,
    latitude=(-30.0, 30.0),
    longitude=(0.0, 180.0),
)
POINT = replace(COLUMN, inputs=("x",), targets=("y",), climate_models=("cheap", "good"))
WEIGHTS = torch.ones(2, 1)


def weights_of(module: torch.nn.Module, trained: bool) -> int:
    return sum(p.numel() for p in module.parameters() if p.requires_grad == trained)


def published(name: str, members: int) -> torch.nn.Module:
    node: dict[str, Any] = yaml.safe_load((CONF / f"{name}.yaml").read_text())["network"]
    assert node["members"] == 128
    return instantiate(node | {"members": members}, signature=COLUMN)


def curve(x: torch.Tensor, y: torch.Tensor, climate_model: int = 0) -> Sample:
    """Samples whose one input and one target are the same in every cell."""
    sample = random_sample(POINT, len(x))
    cells = (-1, 1, 1, *POINT.shape)
    return sample._replace(
        inputs=x[:, None, None, None, None].expand(cells),
        targets=y[:, None, None, None, None].expand(cells),
        climate_model=torch.full((len(x),), climate_model),
    )


def joined(*parts: Sample) -> Sample:
    fields = {
        name: values if name == "static" else torch.cat([getattr(part, name) for part in parts])
        for name, values in parts[0]._asdict().items()
    }
    size = len(fields["inputs"])
    return Sample(**fields)._replace(index=torch.arange(size))


def train(model: torch.nn.Module, sample: Sample, steps: int = 200, rate: float = 1e-2) -> None:
    fitted = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.Adam(fitted, lr=rate)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model.loss(sample, WEIGHTS).backward()
        optimizer.step()
    model.eval()


def test_published_network_has_seven_hidden_layers_of_512():
    low = 52 * 512 + 512 + 6 * (512 * 512 + 512) + 512 * 48 + 48
    assert low == 1_627_696
    model = published("randomised_prior", members=2)
    assert weights_of(model, trained=True) == weights_of(model, trained=False) == 2 * low


def test_published_second_network_sees_the_first_ones_answer():
    low, high = 1_627_696, 48 * 512 + 512 + 6 * (512 * 512 + 512) + 512 * 48 + 48
    model = published("multi_fidelity_prior", members=1)
    assert weights_of(model, trained=True) == low + high == 3_253_344
    assert model(random_sample(COLUMN, 2)).shape == (2, 1, 48, 2, 2)


@pytest.mark.parametrize(
    ("scope", "first", "last"), [("column", 8, 4), ("field", 8 * 128, 512), ("global_mean", 8, 512)]
)
def test_scope_says_what_a_row_of_the_layers_is(scope, first, last):
    signature = replace(GLOBAL, forcings=(), leads=2)  # 2 x 3 inputs + 2 static; 2 x 2 out
    layers = MLP(signature, scope=scope, width=16, depth=1).layers
    assert (layers[0].in_features, layers[-1].out_features) == (first, last)


def test_bottleneck_is_a_linear_layer_in_front():
    layers = MLP(GLOBAL, scope="field", width=16, depth=1, bottleneck=5).layers
    assert [type(layer).__name__ for layer in layers] == ["Linear", "Linear", "LeakyReLU", "Linear"]
    assert layers[0].out_features == layers[1].in_features == 5


def test_columns_do_not_see_each_other_and_global_means_see_the_mean():
    torch.manual_seed(0)
    sample = random_sample(GLOBAL, 2)
    moved = sample._replace(inputs=sample.inputs.clone())
    moved.inputs[..., 0, 0] += 1.0
    apart = MLP(GLOBAL, scope="column", width=8, depth=2)
    changed = (apart(sample) - apart(moved)).abs().amax(dim=(0, 1, 2)) > 0
    assert changed.sum() == 1
    assert changed[0, 0]
    swapped = sample._replace(inputs=sample.inputs.flip(-1), forcings=sample.forcings.flip(-1))
    together = MLP(replace(GLOBAL, static=()), scope="global_mean", width=8, depth=2)
    torch.testing.assert_close(
        together(sample._replace(static=sample.static[:0])),
        together(swapped._replace(static=sample.static[:0])),
        atol=1e-5,
        rtol=0,
    )


def test_a_member_is_its_network_plus_its_scaled_prior():
    model = RandomisedPrior(GLOBAL, SMALL, members=2, prior_scale=3.0)
    sample, member = random_sample(GLOBAL, 2), model.ensemble[1]
    expected = member.trained(sample) + 3.0 * member.prior(sample)
    torch.testing.assert_close(model.draw(sample, 1), expected)
    torch.testing.assert_close(model(sample), (model.draw(sample, 0) + model.draw(sample, 1)) / 2)


def test_priors_stay_and_are_saved():
    model = RandomisedPrior(POINT, SMALL, members=2)
    before = model.ensemble[0].prior.layers[0].weight.clone()
    train(model, curve(torch.linspace(-1, 1, 20), torch.zeros(20)), steps=5)
    torch.testing.assert_close(model.ensemble[0].prior.layers[0].weight, before)
    assert "ensemble.0.prior.layers.0.weight" in model.state_dict()
    assert not model.train().ensemble[0].prior.training


def test_each_member_sees_its_own_fixed_share():
    index = torch.arange(20_000)
    seen = torch.stack([uniform(index, member, seed=0) < 0.8 for member in range(4)])
    assert seen.double().mean(dim=1).tolist() == pytest.approx([0.8] * 4, abs=0.01)
    both = (seen[0] & seen[1]).double().mean()
    assert float(both) == pytest.approx(0.64, abs=0.015)  # independent of each other
    order = torch.randperm(20_000)
    assert (uniform(index[order], 2, 0) == uniform(index, 2, 0)[order]).all()
    assert (uniform(index, 2, 1) != uniform(index, 2, 0)).any()


def test_loss_is_that_of_the_samples_seen_and_of_all_when_evaluated():
    model = RandomisedPrior(GLOBAL, SMALL, members=3).train()
    sample = random_sample(GLOBAL, 30)
    weights = torch.linspace(0.5, 1.5, 8)[:, None]
    errors = [
        (weights * (model.draw(sample, m) - sample.targets) ** 2).mean(dim=(1, 2, 3, 4))
        for m in range(3)
    ]
    seen = [uniform(sample.index, m, 0) < 0.8 for m in range(3)]
    assert 0 < sum(int(part.sum()) for part in seen) < 90
    some = torch.stack([e[s].mean() for e, s in zip(errors, seen, strict=True)]).mean()
    torch.testing.assert_close(model.loss(sample, weights), some)
    torch.testing.assert_close(model.eval().loss(sample, weights), torch.stack(errors).mean())


def test_members_agree_on_the_data_and_part_far_from_them():
    torch.manual_seed(0)
    model = RandomisedPrior(POINT, SMALL, members=4)
    x = torch.linspace(-1, 1, 60)
    train(model, curve(x, torch.sin(2 * x)))
    with torch.no_grad():
        asked = curve(torch.tensor([0.3, 6.0]), torch.zeros(2))
        spread = torch.stack([model.draw(asked, m) for m in range(4)]).std(0)[:, 0, 0, 0, 0]
        answer = model(asked)[0].mean()
    assert float(answer) == pytest.approx(float(torch.sin(torch.tensor(0.6))), abs=0.1)
    assert spread[1] > 10 * spread[0]


# Two fidelities.


def two_sources() -> tuple[MultiFidelityPrior, Sample]:
    """The cheap source knows all of a curve, the good one the half of it, twice as high."""
    torch.manual_seed(0)
    everywhere, half = torch.linspace(-2, 2, 80), torch.linspace(-2, 0, 20)
    cheap = curve(everywhere, torch.sin(2 * everywhere), climate_model=0)
    good = curve(half, 2 * torch.sin(2 * half), climate_model=1)
    model = MultiFidelityPrior(POINT, SMALL, members=2, low_fidelity=("cheap",))
    return model, joined(cheap, good)


def test_plentiful_source_helps_where_the_good_one_was_not_seen():
    model, sample = two_sources()
    train(model, sample)
    x = torch.linspace(0.2, 1.8, 30)
    asked = curve(x, 2 * torch.sin(2 * x), climate_model=1)
    alone = RandomisedPrior(POINT, SMALL, members=2)
    train(alone, curve(sample.inputs[80:, 0, 0, 0, 0], sample.targets[80:, 0, 0, 0, 0]))
    with torch.no_grad():
        error, of_alone = (
            float((one(asked) - asked.targets).square().mean().sqrt()) for one in (model, alone)
        )
    assert error < 0.5 * of_alone


def test_each_source_teaches_its_own_network():
    model, sample = two_sources()

    def reached(chosen: slice) -> tuple[bool, bool]:
        model.zero_grad()
        part = Sample(**{n: v if n == "static" else v[chosen] for n, v in sample._asdict().items()})
        model.loss(part, WEIGHTS).backward()
        low, high = model.ensemble[0].trained, model.refinement[0].trained
        return tuple(bool(net.layers[0].weight.grad.abs().sum() > 0) for net in (low, high))

    assert reached(slice(0, 80)) == (True, False)
    assert reached(slice(80, 100)) == (False, True)


def test_loss_weighs_the_low_fidelity():
    model, sample = two_sources()
    model.eval()

    def error(answer: torch.Tensor, rows: slice) -> torch.Tensor:
        return (answer[rows] - sample.targets[rows]).square().mean()

    expected = torch.stack(
        [
            error(model.draw(sample, m), slice(80, 100))
            + 0.3 * error(model.ensemble[m](sample), slice(0, 80))
            for m in range(2)
        ]
    ).mean()
    model.low_fidelity_weight = 0.3
    torch.testing.assert_close(model.loss(sample, WEIGHTS), expected)


def test_second_network_may_have_another_shape():
    other = {"_target_": "climbench.models.mlp.MLP", "scope": "field", "width": 7, "depth": 1}
    model = MultiFidelityPrior(POINT, SMALL, members=1, refining_network=other)
    assert model.refinement[0].trained.layers[0].out_features == 7
    assert model.ensemble[0].trained.layers[0].out_features == 32


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: RandomisedPrior(POINT, SMALL, members=0), "'members' = 0"),
        (lambda: RandomisedPrior(POINT, SMALL, share=1.2), "'share' = 1.2"),
        (lambda: RandomisedPrior(POINT, {"_target_": "torch.nn.Identity"}), "no parameter"),
        (lambda: RandomisedPrior(POINT, SMALL | {"widht": 3}), "did you mean 'width'"),
        (lambda: MLP(POINT, depth=0), "'depth' = 0"),
        (lambda: MultiFidelityPrior(POINT, SMALL, 1, low_fidelity=("cheep",)), "mean 'cheap'"),
        (lambda: MultiFidelityPrior(GLOBAL, SMALL, 1, low_fidelity=("cheap",)), "only one"),
        (
            lambda: MultiFidelityPrior(POINT, SMALL, 1, low_fidelity=("cheap", "good")),
            "all climate",
        ),
    ],
)
def test_wrong_options_are_refused(build, message):
    with pytest.raises(UserError, match=message):
        build()
