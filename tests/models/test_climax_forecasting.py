"""ClimaX for forecasts finds variables by name, on any grid, and takes the authors' weights."""

from dataclasses import replace

import pytest
import torch
from small_climax import OPTIONS, WIDTH, authors_weights, shaken
from torch.nn.functional import gelu

from climbench.models.climax_forecasting import ClimaX, vocabulary_of
from climbench.models.climax_variables import PUBLISHED_VARIABLES
from climbench.testing.model_contract import GLOBAL, random_sample

WEATHER = ("geopotential_500", "temperature_850", "2m_temperature")
SMALL = replace(
    GLOBAL,
    inputs=WEATHER,
    forcings=(),
    static=("land_sea_mask", "orography"),
    targets=("temperature_850", "10m_u_component_of_wind"),
    history=1,
    leads=1,
)


def small(signature=SMALL, **options):
    torch.manual_seed(0)
    return shaken(ClimaX(signature, **(OPTIONS | options))).eval()


def test_parameters_are_those_published():
    signature = replace(
        SMALL,
        inputs=PUBLISHED_VARIABLES[3:],
        static=PUBLISHED_VARIABLES[:3],
        latitude=tuple(-87.1875 + 5.625 * row for row in range(32)),
        longitude=tuple(5.625 * column for column in range(64)),
    )
    with torch.device("meta"):
        model = ClimaX(replace(signature, targets=("geopotential_500",)))
        region = replace(signature, latitude=signature.latitude[20:28])
        part = ClimaX(replace(region, longitude=signature.longitude[:20]))
    assert len(model.vocabulary) == 48
    assert sum(weight.numel() for weight in model.parameters()) == 108_088_512
    lost = 1024 * (16 * 32 - 4 * 10)  # positions of the patches outside the region
    assert sum(weight.numel() for weight in part.parameters()) == 108_088_512 - lost


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_variables_does_not_matter(seed):
    generator = torch.Generator().manual_seed(seed)

    def mixed(names):
        return tuple(names[place] for place in torch.randperm(len(names), generator=generator))

    other = replace(
        SMALL, inputs=mixed(SMALL.inputs), static=mixed(SMALL.static), targets=mixed(SMALL.targets)
    )
    model = small()
    twin = small(other)
    twin.load_state_dict(model.state_dict())
    answer, again = model(random_sample(SMALL, 2)), twin(random_sample(other, 2))
    back = [other.targets.index(name) for name in SMALL.targets]
    torch.testing.assert_close(again[:, :, back], answer, rtol=0, atol=1e-5)


def test_a_variable_that_is_missing_is_as_one_that_is_not_asked():
    """Each sample of a batch may lack others, as when several archives train one model."""
    fewer = replace(SMALL, inputs=("geopotential_500", "temperature_850"))
    model, other = small(), small(fewer)
    other.load_state_dict(model.state_dict())
    sample = random_sample(SMALL, 2)
    lacking = sample.inputs.clone()
    lacking[0, :, 2] = torch.nan
    answer = model(sample._replace(inputs=lacking))
    without = other(sample._replace(inputs=sample.inputs[:, :, :2]))
    torch.testing.assert_close(answer[0], without[0])
    torch.testing.assert_close(answer[1], model(sample)[1])
    answer.square().mean().backward()
    assert all(
        weight.grad.isfinite().all() for weight in model.parameters() if weight.grad is not None
    )


def test_signatures_with_other_variables_share_the_weights():
    fewer = replace(SMALL, inputs=WEATHER[:1], static=(), targets=("temperature_850",))
    model, other = small(), small(fewer)
    other.load_state_dict(model.state_dict())
    sample = random_sample(fewer, 2)
    # A sample of the larger signature with those variables left out of the attention is the same.
    model.chosen, model.answers = other.chosen, other.answers
    model.input, model.output = other.input, other.output
    torch.testing.assert_close(model(sample), other(sample))
    before = other(sample)
    other(sample).square().mean().backward()
    gradient = other.encoder.tokens.weight.grad.reshape(48, -1).abs().sum(1)
    asked = PUBLISHED_VARIABLES.index("geopotential_500")
    assert gradient[asked] > 0 and gradient.count_nonzero() == 1
    other.encoder.tokens.weight.data.view(48, -1)[asked] += 0.1
    assert not torch.allclose(other(sample), before)


def test_a_missing_variable_is_not_a_variable_of_zeros():
    fewer = replace(SMALL, inputs=WEATHER[:2])
    model, other = small(), small(fewer)
    other.load_state_dict(model.state_dict())
    sample = random_sample(SMALL, 2)
    sample.inputs[:, :, 2] = 0
    answer = other(sample._replace(inputs=sample.inputs[:, :, :2]))
    assert not torch.allclose(model(sample), answer, rtol=1e-2, atol=1e-2)


def test_the_vocabulary_knows_other_names_of_a_variable():
    ask = replace(SMALL, static=("geopotential_at_surface",), inputs=("co2", "2m_temperature"))
    words = vocabulary_of(("orography", "lattitude"), replace(ask, targets=("co2",)))
    assert words == ("orography", "latitude_field", "2m_temperature", "co2")
    heights = replace(SMALL, inputs=("geopotential_height_500",), targets=("2m_temperature",))
    assert vocabulary_of(PUBLISHED_VARIABLES, heights) == PUBLISHED_VARIABLES


def test_earlier_steps_and_forcings_are_tokens_of_their_own_that_know_their_time():
    longer = replace(SMALL, history=2, leads=2, forcings=("toa_incident_solar_radiation",))
    model, sample = small(longer), random_sample(longer, 2)
    answer = model(sample)
    for part in ("inputs", "forcings"):
        turned = sample._replace(**{part: getattr(sample, part).flip(1)})
        assert not torch.allclose(model(turned), answer, rtol=1e-2, atol=1e-2)
    model.earlier.data.zero_()
    model.later.data[1] = model.later.data[0]
    torch.testing.assert_close(
        model(sample._replace(inputs=sample.inputs.flip(1), forcings=sample.forcings.flip(1))),
        model(sample),
        rtol=1e-4,
        atol=1e-4,
    )


def test_the_lead_time_tells():
    model, sample = small(), random_sample(SMALL, 2)
    later = sample._replace(lead_time=sample.lead_time + 240)
    assert not torch.allclose(model(later), model(sample), rtol=1e-2, atol=1e-2)


def test_a_regional_network_sees_what_the_global_one_sees_there():
    # Rows and columns of two by two patches: 11.25 N to 78.75 N, 45 E to 180 E.
    region = replace(SMALL, latitude=SMALL.latitude[4:], longitude=SMALL.longitude[2:8])
    whole, part = small(), small(region)
    adapted = part.adapt_weights(whole.state_dict(), SMALL)
    assert set(adapted.changed) == {"encoder.positions"}
    part.load_state_dict(adapted.weights)
    sample = random_sample(SMALL, 2)
    maps = whole.input(sample)

    def tokens(model, maps):
        encoder = model.encoder
        found = encoder.aggregate(maps, model.chosen) + encoder.positions
        return found.unflatten(1, encoder.patches)

    expected = tokens(whole, maps)[:, 2:, 1:4]
    torch.testing.assert_close(tokens(part, maps[..., 4:, 2:8]), expected)


def test_the_authors_weights_are_all_taken_and_give_what_they_gave():
    signature = replace(SMALL, leads=2)
    model, theirs = small(signature), authors_weights(decoder_depth=2)
    adapted = model.adapt_weights(theirs, None)
    missing = model.load_state_dict(adapted.weights, strict=False)
    assert missing.missing_keys == ["encoder.names"] and not missing.unexpected_keys
    encoder = model.encoder
    number = PUBLISHED_VARIABLES.index("2m_temperature")
    own = slice(number * WIDTH, (number + 1) * WIDTH)
    assert torch.equal(encoder.tokens.weight[own], theirs[f"net.token_embeds.{number}.proj.weight"])
    assert torch.equal(encoder.variables, theirs["net.var_embed"][0])
    # Their head's rows are cells of a patch, then variables; ours has them for each lead.
    tokens = torch.randn(3, 32, WIDTH)
    hidden = tokens
    for layer in ("net.head.0", "net.head.2"):
        hidden = gelu(hidden @ theirs[f"{layer}.weight"].T + theirs[f"{layer}.bias"])
    cells = hidden @ theirs["net.head.4.weight"].T + theirs["net.head.4.bias"]
    expected = cells.unflatten(2, (1, 4, 48)).expand(-1, -1, 2, -1, -1).flatten(2)
    torch.testing.assert_close(model.head(tokens), expected)


def test_weights_find_their_variables_by_name():
    alone = small(default_vars=("orography", "temperature_850"))
    many = small()
    adapted = many.adapt_weights(alone.state_dict(), SMALL)
    for words, model in ((alone.vocabulary, alone), (many.vocabulary, many)):
        assert set(words) >= {*SMALL.inputs, *SMALL.targets}, model
    before = many.state_dict()["encoder.variables"].clone()
    many.load_state_dict(adapted.weights)
    for name in many.vocabulary:
        place = many.vocabulary.index(name)
        expected = (
            alone.encoder.variables[alone.vocabulary.index(name)]
            if name in alone.vocabulary
            else before[place]
        )
        assert torch.equal(many.encoder.variables[place], expected)
    sample = random_sample(SMALL, 2)
    torch.testing.assert_close(many(sample), alone(sample))
    assert "new: latitude_field" in adapted.changed["encoder.tokens.weight"]


def test_one_lead_for_each_of_several_is_said():
    model = small(replace(SMALL, leads=2))
    adapted = model.adapt_weights(small().state_dict(), SMALL)
    assert set(adapted.changed) == {"head.4.weight", "head.4.bias"}
    assert adapted.changed["head.4.bias"].endswith("those of one lead for each of 2")


def test_weights_of_another_patch_and_width_are_refused_where_their_numbers_agree():
    """4 widths of 2 x 2 cells are as many numbers as one width of 4 x 4."""
    narrow = small(patch_size=4, decoder_depth=0)
    wide = small(embed_dim=4 * WIDTH, decoder_depth=0)
    adapted = narrow.adapt_weights(wide.state_dict(), SMALL)
    for name in ("encoder.tokens.weight", "head.0.weight"):
        assert wide.state_dict()[name].numel() == narrow.state_dict()[name].numel()
        assert name not in adapted.weights and "does not fit" in adapted.changed[name]


def test_an_untrained_residual_network_is_persistence():
    torch.manual_seed(0)
    model = ClimaX(GLOBAL, **OPTIONS, calendar=True, coordinates=True, residual=True).eval()
    sample = random_sample(GLOBAL, 2)
    expected = sample.inputs[:, -1:, :2].expand(-1, 2, -1, -1, -1)
    torch.testing.assert_close(model(sample), expected, rtol=0, atol=0)
