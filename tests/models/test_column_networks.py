"""Networks of columns: published sizes, losses by hand, and what each can learn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from climbench.columns import column_variables, column_vectors
from climbench.config import instantiate
from climbench.errors import UserError
from climbench.models.column_dense import ColumnDense, ColumnMLP
from climbench.models.column_parts import Profiles, vector
from climbench.models.column_regression import ColumnRegression
from climbench.models.conditional_vae import ConditionalVAE
from climbench.models.hashed_noise import hashed_normal
from climbench.models.heteroskedastic_regression import HeteroskedasticRegression
from climbench.models.mean_climatology import MeanClimatology
from climbench.models.randomised_prior import MultiFidelityPrior
from climbench.models.ridge import take
from climbench.testing.model_contract import COLUMNS, GLOBAL, random_sample

EVEN = torch.ones(1, 1)
CONF = Path(__file__).parents[2] / "conf" / "model"


def channels(names):
    levels = column_variables()
    return tuple(
        channel
        for name in names
        for channel in ([f"{name}_{n}" for n in range(60)] if levels[name].levels else [name])
    )


def published(version):
    vectors = column_vectors(version)
    return replace(
        COLUMNS, inputs=channels(vectors.inputs), targets=channels(vectors.targets), levels=60
    )


def weights(name, version="v1"):
    network = yaml.safe_load((CONF / f"{name}.yaml").read_text())["network"]
    built = instantiate(network, signature=published(version))
    return sum(p.numel() for p in built.parameters() if p.requires_grad)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("column_mlp", 1_753_472),
        ("column_encoder_decoder", 833_000),
        ("heteroskedastic_regression", 6_800_000),
        ("conditional_vae", 4_900_000),
        ("column_cnn", 13_200_000),
    ],
)
def test_sizes_are_the_published_ones(name, count):
    found = weights(name)
    assert found == count if name == "column_mlp" else found == pytest.approx(count, rel=0.01)


def test_a_member_of_the_randomised_prior_has_its_published_size():
    assert sum(p.numel() for p in ColumnDense(published("v1")).parameters()) == 1_736_960


def test_the_whole_contest_vector_is_answered():
    question = published("v2")
    assert len(question.inputs), len(question.targets) == (557, 368)
    sample = random_sample(question, 2)
    assert ColumnMLP(question, hidden=(8,))(sample).shape == (2, 1, 368, 1, 1)


def test_levels_are_in_the_order_of_their_numbers():
    names = [*(f"t_{level}" for level in reversed(range(12))), "ps", "q_0"]
    found = Profiles.of(names, 12)
    assert found.levels.tolist() == [list(range(11, -1, -1))]
    assert found.singles.tolist() == [12, 13]
    values = torch.arange(14.0)[None]
    torch.testing.assert_close(found.join(*found.split(values)), values)


def test_regression_finds_a_linear_map_and_streams():
    torch.manual_seed(0)
    sample = random_sample(COLUMNS, 400)
    matrix, shift = torch.randn(18, 18), torch.randn(18)
    truth = vector(sample.inputs) @ matrix + shift
    sample = sample._replace(targets=truth[:, None, :, None, None])
    whole, parts = (ColumnRegression(COLUMNS, ridge=(1e-9,)) for _ in range(2))
    whole.accumulate(sample)
    for part in torch.tensor_split(torch.arange(400), 7):
        parts.accumulate(take(sample, part))
    for model in (whole, parts):
        model.solve()
        torch.testing.assert_close(model(sample), sample.targets, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(whole.coefficients, parts.coefficients, atol=1e-5, rtol=1e-5)
    expected, *_ = np.linalg.lstsq(
        np.column_stack([vector(sample.inputs), np.ones(400)]), truth.numpy(), rcond=None
    )
    np.testing.assert_allclose(whole.coefficients[0, 0], expected, atol=1e-4)


def test_inputs_that_never_vary_do_not_matter_to_the_regression():
    sample = random_sample(COLUMNS, 200)
    sample.inputs[:, :, 3] = 0.0
    model = ColumnRegression(COLUMNS)
    model.accumulate(sample)
    model.solve()
    assert model.coefficients.isfinite().all()
    assert model.coefficients[0, 0, 3].abs().max() < 1e-3


def test_the_training_mean_of_columns():
    sample = random_sample(COLUMNS, 50)
    model = MeanClimatology(COLUMNS)
    model.accumulate(sample)
    model.solve()
    torch.testing.assert_close(model(sample)[0], sample.targets.mean(0))


def test_single_values_of_the_mlp_are_never_negative():
    torch.manual_seed(0)
    sample = random_sample(COLUMNS, 20)
    answer = vector(ColumnMLP(COLUMNS, hidden=(16,), positive=True)(sample))
    singles = [COLUMNS.targets.index(name) for name in ("cam_out_NETSW", "cam_out_PRECC")]
    assert (answer[:, singles] >= 0).all()
    assert (vector(ColumnMLP(COLUMNS, hidden=(16,))(sample)) < 0).any()


def test_heteroskedastic_loss_by_hand():
    torch.manual_seed(0)
    network = HeteroskedasticRegression(COLUMNS, width=8, layers=1, mean_first_steps=1).eval()
    sample = random_sample(COLUMNS, 5)
    mean, logarithm = network.distribution(sample)
    error = (sample.targets - mean).square()
    torch.testing.assert_close(network.loss(sample, EVEN), error.mean())
    network.after_step()
    expected = (logarithm.exp() * error - logarithm).mean()
    torch.testing.assert_close(network.loss(sample, EVEN), expected)
    network.train()
    squares = [
        sum(p.square().sum() for p in part.parameters())
        for part in (network.mean, network.log_precision)
    ]
    penalty = 0.5 * (0.022**2 / 0.978 * squares[0] + 0.022 * squares[1])
    torch.testing.assert_close(network.loss(sample, EVEN), expected + penalty)


def test_heteroskedastic_members_have_its_spread():
    network = HeteroskedasticRegression(COLUMNS, width=8, layers=1, members=400).eval()
    sample = random_sample(COLUMNS, 3)
    with torch.no_grad():
        members = torch.stack([network.draw(sample, member) for member in range(400)])
        mean, logarithm = network.distribution(sample)
    deviation = (-0.5 * logarithm).exp()
    torch.testing.assert_close(members.std(0) / deviation, torch.ones_like(mean), atol=0.25, rtol=0)
    assert ((members.mean(0) - mean).abs() < 0.3 * deviation).all()
    again = network.draw(take(sample, torch.tensor([2])), 7)
    torch.testing.assert_close(again[0], members[7, 2], atol=1e-5, rtol=1e-5)


def test_the_published_loss_of_the_autoencoder_by_hand():
    torch.manual_seed(0)
    network = ConditionalVAE(COLUMNS, width=8, layers=1).eval()
    sample = random_sample(COLUMNS, 5)
    order = sorted(range(18), key=lambda at: COLUMNS.targets[at])
    given = sorted(range(18), key=lambda at: COLUMNS.inputs[at])
    y, x = vector(sample.targets)[:, order], vector(sample.inputs)[:, given]
    centre, log_width = network.encoder(torch.cat([y, x], 1)).chunk(2, 1)
    m, log_s = network.decoder(torch.cat([centre, x], 1)).chunk(2, 1)
    s, sigma = log_s.exp(), log_width.exp()
    expected = (0.5 * (y - m) ** 2 / s + log_s).mean()
    expected = expected + 0.5 * (sigma**2 + centre**2 - sigma.log() - 0.5).mean()
    torch.testing.assert_close(network.loss(sample, EVEN), expected)


def test_hashed_numbers_are_normal_and_belong_to_their_place():
    sample = random_sample(COLUMNS, 1000)
    drawn = hashed_normal(sample, 3, 50)
    assert abs(float(drawn.mean())) < 0.01
    assert float(drawn.std()) == pytest.approx(1, abs=0.01)
    assert float((drawn.abs() > 1.96).float().mean()) == pytest.approx(0.05, abs=0.005)
    few = take(sample, torch.tensor([5, 900]))
    torch.testing.assert_close(hashed_normal(few, 3, 50), drawn[[5, 900]])
    assert not torch.allclose(hashed_normal(sample, 4, 50), drawn)


def test_low_fidelity_with_the_inputs_learns_what_the_answer_alone_hides():
    """The truth is the low answer plus an input that the low answer does not know of."""
    question = replace(COLUMNS, climate_models=("low", "high"))
    dense = {"_target_": "climbench.models.column_dense.ColumnDense", "hidden": [32]}

    def error(sees_inputs):
        torch.manual_seed(0)
        model = MultiFidelityPrior(
            question,
            dense,
            members=2,
            prior_scale=0.1,
            low_fidelity=("low",),
            sees_inputs=sees_inputs,
        )
        optimizer = torch.optim.Adam(model.parameters(), 0.01)
        for step in range(150):
            sample = random_sample(question, 64, seed=step)
            low = vector(sample.inputs)[:, :1].expand(-1, 18)
            extra = vector(sample.inputs)[:, 1:2] * sample.climate_model[:, None]
            sample = sample._replace(targets=(low + extra)[:, None, :, None, None])
            optimizer.zero_grad()
            model.loss(sample, EVEN).backward()
            optimizer.step()
        high = take(sample, torch.nonzero(sample.climate_model)[:, 0])
        return (model(high) - high.targets).square().mean().item()

    assert error(sees_inputs=True) < 0.3 * error(sees_inputs=False)


@pytest.mark.parametrize(
    ("build", "sentence"),
    [
        (lambda: ColumnMLP(COLUMNS, hidden=()), "'hidden' = \\[\\] must list widths"),
        (
            lambda: MultiFidelityPrior(
                GLOBAL,
                {"_target_": "climbench.models.column_dense.ColumnDense", "hidden": [8]},
                members=1,
            ),
            "ColumnDense answers questions of columns, and this task is one of map",
        ),
    ],
)
def test_a_mistake_is_one_sentence(build, sentence):
    with pytest.raises(UserError, match=sentence):
        build()
