"""Linear regression against numpy's least squares, on features put together cell by cell."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.linear_regression import FieldLinearRegression, LinearRegression
from climbench.models.ridge import BLOCK, RidgeRegression, ridge_fit
from climbench.tasks.sample import Sample, Signature
from climbench.testing.model_contract import GLOBAL, random_sample

SIGNATURE = replace(
    GLOBAL,
    latitude=(-67.5, -22.5, 22.5, 67.5),
    longitude=tuple(45.0 * column for column in range(8)),
    history=1,
)


def fitted(model: RidgeRegression, *samples: Sample) -> RidgeRegression:
    for sample in samples:
        model.accumulate(sample)
    model.solve()
    return model


def ridge_by_rows(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    """Ridge as least squares on rows extended by the penalty; the last column is the constant."""
    extra = np.sqrt(penalty * len(x)) * np.eye(x.shape[1])[:-1]
    rows, targets = np.vstack([x, extra]), np.vstack([y, np.zeros((len(extra), y.shape[1]))])
    return np.linalg.lstsq(rows, targets, rcond=None)[0]


def features_by_hand(sample: Sample, signature: Signature, lead: int, row: int) -> np.ndarray:
    """Features of the cells of one row with a neighbourhood of one, one cell after the other."""
    inputs, height, width = sample.inputs.numpy(), *signature.shape
    season = 2 * np.pi * (sample.day_of_year[:, 0].numpy() - 1) / 365.25
    rows = []
    for n in range(len(inputs)):
        for column in range(width):
            values = []
            for north in (-1, 0, 1):
                for east in (-1, 0, 1):
                    j, i = row + north, column + east
                    if not 0 <= j < height:  # over the pole
                        j, i = row, i + width // 2
                    values.extend(inputs[n, 0, :, j, i % width])
            hour = sample.hour[n, 0].item() / 24 + signature.longitude[column] / 360
            values.extend(sample.forcings[n, lead, :, row, column].tolist())
            values.extend(sample.static[:, row, column].tolist())
            values.extend([np.cos(season[n]), np.sin(season[n])])
            values.extend([np.cos(2 * np.pi * hour), np.sin(2 * np.pi * hour), 1.0])
            rows.append(values)
    return np.array(rows)


def test_coefficients_are_those_of_least_squares_on_features_by_hand():
    sample = random_sample(SIGNATURE, 60)
    model = fitted(LinearRegression(SIGNATURE, neighbourhood=1, ridge=(0.01,)), sample)
    answer = model(sample).numpy()
    for lead, row in ((0, 0), (1, 2), (0, 3)):
        x = features_by_hand(sample, SIGNATURE, lead, row)
        y = sample.targets[:, lead, :, row].permute(0, 2, 1).reshape(len(x), 2).numpy()
        expected = x @ ridge_by_rows(x, y, 0.01)
        actual = answer[:, lead, :, row].transpose(0, 2, 1).reshape(expected.shape)
        np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_whole_field_is_least_squares_on_the_flattened_field():
    signature = replace(SIGNATURE, forcings=(), leads=1)
    sample = random_sample(signature, 40)
    model = fitted(FieldLinearRegression(signature, ridge=(0.5,)), sample)
    x = model.features(sample, 0)[0].numpy()
    assert np.array_equal(x[:, : 3 * 32], sample.inputs.numpy().reshape(40, -1))
    y = sample.targets.numpy().reshape(40, -1)
    expected = (x @ ridge_by_rows(x, y, 0.5)).reshape(sample.targets.shape)
    np.testing.assert_allclose(model(sample).numpy(), expected, atol=1e-4)


def test_a_linear_world_is_learned_exactly():
    # Tomorrow is the western neighbour of today: advection by one column.
    signature = replace(SIGNATURE, forcings=(), leads=1)
    batches = [random_sample(signature, 50, seed) for seed in range(3)]
    moved = [b._replace(targets=b.inputs[:, :, :2].roll(1, -1)) for b in batches]
    model = fitted(LinearRegression(signature, neighbourhood=1, ridge=(1e-8,)), *moved[:2])
    torch.testing.assert_close(model(moved[2]), moved[2].targets, atol=1e-4, rtol=0)


def test_leads_without_forcings_have_the_same_features_and_their_own_fit():
    signature = replace(SIGNATURE, forcings=())
    sample = random_sample(signature, 60)
    both = fitted(LinearRegression(signature, 1, (0.1,)), sample)
    for lead in range(2):
        one = replace(signature, leads=1)
        # The calendar of a direct model is that of its first lead.
        calendar = {"day_of_year": sample.day_of_year[:, :1], "hour": sample.hour[:, :1]}
        single = sample.at_lead(lead)._replace(**calendar)
        alone = fitted(LinearRegression(one, 1, (0.1,)), single)
        torch.testing.assert_close(both(sample)[:, lead], alone(single)[:, 0])


def test_mixed_lead_times_give_a_regression_for_each():
    signature = replace(SIGNATURE, leads=1)
    lead_time = torch.tensor([6.0, 24.0]).repeat(40)[:, None]
    sample = random_sample(signature, 80)._replace(lead_time=lead_time)
    model = fitted(LinearRegression(signature, 1, (0.1,)), sample)
    assert model.keys.tolist() == [6.0, 24.0]
    day = fitted(
        LinearRegression(signature, 1, (0.1,)),
        Sample(**{k: v if k == "static" else v[1::2] for k, v in sample._asdict().items()}),
    )
    torch.testing.assert_close(model.coefficients[1], day.coefficients[0])


def test_mixed_precision_does_not_touch_it():
    sample = random_sample(SIGNATURE, 20)
    model = fitted(LinearRegression(SIGNATURE, 1, (0.1,)), sample)
    with torch.autocast("cpu", torch.bfloat16):
        again = fitted(LinearRegression(SIGNATURE, 1, (0.1,)), sample)
        answer = again(sample)
    assert torch.equal(answer, model(sample))


def test_unknown_lead_time_is_refused():
    sample = random_sample(SIGNATURE, 8)
    model = fitted(LinearRegression(SIGNATURE, 1, (0.1,)), sample)
    with pytest.raises(UserError, match="lead time of 72 h, only at 24, 48 h"):
        model(sample._replace(lead_time=sample.lead_time + 48))


def test_penalty_is_the_one_with_the_least_error_on_held_out_folds():
    # Pure noise wants the largest penalty; a linear world the smallest.
    signature = replace(SIGNATURE, leads=1)
    batches = [random_sample(signature, BLOCK, seed) for seed in range(4)]
    choice = (1e-4, 1e-2, 1.0)
    assert fitted(LinearRegression(signature, 1, choice), *batches).penalty.tolist() == [1.0]
    linear = [b._replace(targets=b.inputs[:, :, :2]) for b in batches]
    chosen = fitted(LinearRegression(signature, 1, choice), *linear).penalty
    torch.testing.assert_close(chosen, torch.tensor([1e-4]))


def test_with_too_few_samples_to_hold_any_out_the_largest_penalty_is_taken():
    sample = random_sample(SIGNATURE, BLOCK)
    model = fitted(LinearRegression(SIGNATURE, 1, (1e-3, 0.1)), sample)
    torch.testing.assert_close(model.penalty, torch.tensor([0.1, 0.1]))


def test_held_out_error_from_sums_is_the_error_of_predictions():
    signature = replace(SIGNATURE, leads=1, forcings=())
    batches = [random_sample(signature, BLOCK, seed) for seed in range(4)]
    model = LinearRegression(signature, 1, (1e-3, 0.1))
    fitted(model, *batches)
    expected = 0.0
    for fold in range(4):
        others = [batch for number, batch in enumerate(batches) if number != fold]
        answer = fitted(LinearRegression(signature, 1, (0.1,)), *others)(batches[fold])
        squares = (answer - batches[fold].targets).square().sum((0, 1, 2, 4))
        expected += float((squares * model.group_weights).sum())
    assert model._held_out_error(0, 0.1) == pytest.approx(expected, rel=1e-4)


def test_constant_features_are_no_trouble():
    signature = replace(SIGNATURE, leads=1)
    sample = random_sample(signature, 30)
    sample = sample._replace(static=torch.ones_like(sample.static))
    assert torch.isfinite(fitted(LinearRegression(signature), sample)(sample)).all()


def test_the_constant_is_not_penalised():
    gram, moment = torch.eye(2).double() * 10, torch.tensor([[10.0], [30.0]]).double()
    # (10 / 10 + 1) b = 1 for the feature, (10 / 10 + 0) b = 3 for the constant
    fit = ridge_fit(gram, moment, penalty=1.0)
    assert fit[:, 0].tolist() == pytest.approx([0.5, 3.0])


def test_rows_with_missing_targets_do_not_strengthen_the_penalty():
    """A fit on samples of which every second lacks its targets is that on the others."""
    asked = replace(SIGNATURE, leads=1)
    whole = random_sample(asked, 30)
    some = whole._replace(targets=whole.targets.clone())
    some.targets[15:] = torch.nan
    first = Sample(*[part if part is whole.static else part[:15] for part in whole])
    fits = [fitted(LinearRegression(asked, ridge=[0.1]), given) for given in (some, first)]
    torch.testing.assert_close(fits[0].coefficients, fits[1].coefficients)


def test_wrong_options_are_refused():
    with pytest.raises(UserError, match=r"'ridge' = \[0.0\] must list penalties greater than 0"):
        LinearRegression(SIGNATURE, ridge=(0.0,))
    fine = replace(GLOBAL, latitude=tuple(np.linspace(-89, 89, 180)), longitude=tuple(range(360)))
    with pytest.raises(UserError, match="take model=linear_regression"):
        FieldLinearRegression(fine)


def test_sums_that_do_not_fit_the_memory_are_a_sentence():
    """Twelve steps of history at 11 x 11 cells: 4 folds of 7261 x 7261 sums a row and lead time."""
    asked = replace(GLOBAL, history=12, inputs=tuple(f"channel_{number}" for number in range(60)))
    with pytest.raises(UserError, match=r"GB for 1 lead times, more than the free memory"):
        LinearRegression(asked, neighbourhood=30).slots(torch.tensor([6.0]))
