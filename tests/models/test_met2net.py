"""Met2Net learns in two stages, of which neither reaches what the other keeps."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from climbench.errors import UserError
from climbench.models.met2net import Met2Net, VariableAttention
from climbench.testing.model_contract import GLOBAL, REGIONAL, random_sample

SEQUENCE = replace(
    GLOBAL, inputs=("a", "b", "c"), targets=("a", "b", "c"), forcings=(), static=(), history=3,
    leads=3,
)  # fmt: skip
SMALL = {
    "frame_channels": 4, "frame_layers": 2, "hidden_channels": 8, "blocks": 2, "heads": 2,
    "drop_path": 0.0,
}  # fmt: skip
WEIGHTS = torch.linspace(0.5, 1.5, 8)[:, None]


def built(signature=SEQUENCE, **options) -> Met2Net:
    torch.manual_seed(0)
    model = Met2Net(signature, **SMALL | options)
    for weight in model.key_translator.parameters():
        weight += 0.05 * torch.randn_like(weight)  # apart from the trained one
    return model


def gradients(model: Met2Net, part: str) -> list[Tensor]:
    return [w.grad for w in getattr(model, part).parameters() if w.grad is not None]


def test_the_translator_has_the_published_size():
    # 1 x 1 maps 384 -> 256 -> 384, and 8 blocks: attention 4 (256 x 256 + 2 x 256), two norms
    # 2 x 512, TAU: two norms 2 x 512, 1 x 1 maps 3 (256 x 256 + 256), depthwise
    # 26 x 256 + 50 x 256, no squeeze (dead code in the published program), perceptron
    # 256 x 1024 + 1024 + 10 x 1024 + 1024 x 256 + 256, scales 512
    tau = 1024 + 3 * 65_792 + 76 * 256 + 262_144 + 11 * 1024 + 262_400 + 512
    expected = (384 * 256 + 256) + (256 * 384 + 384) + 8 * (4 * 66_048 + 1024 + tau)
    with torch.device("meta"):
        model = Met2Net(replace(SEQUENCE, history=12, leads=12))
    assert sum(weight.numel() for weight in model.translator.parameters()) == expected
    assert round(expected / 1e6, 1) == 8.4


def test_the_loss_is_that_of_two_stages_with_copies():
    """As published: a second set of encoders and decoders, made equal before the second stage."""
    model, sample = built(), random_sample(SEQUENCE, 2)
    key = copy.deepcopy(model)  # the hard copy

    def errors(maps: Tensor) -> Tensor:
        return maps.square().mean()

    first = model._decode(model.key_translator(model._past(sample)), sample)
    answered = (WEIGHTS * (first - sample.targets).square()).mean()
    with torch.no_grad():
        past, future = key._past(sample), key._past(sample._replace(inputs=sample.targets))
    latent = model.translator(past)
    loss = model.loss(sample, WEIGHTS)
    torch.testing.assert_close(loss, answered + errors(latent - future))
    expected = torch.autograd.grad(
        answered + errors(latent - future), [w for w in model.parameters() if w.requires_grad]
    )
    loss.backward()
    found = [w.grad for w in model.parameters() if w.requires_grad]
    torch.testing.assert_close(found, list(expected))


def test_the_first_stage_trains_encoders_and_decoders_alone():
    model, sample = built(), random_sample(SEQUENCE, 2)
    model._decode(model.key_translator(model._past(sample)), sample).square().sum().backward()
    assert gradients(model, "encoders") and gradients(model, "decoders")
    assert not gradients(model, "translator") and not gradients(model, "key_translator")


def test_the_second_stage_trains_the_translator_alone():
    """What is not known of the future leaves the first stage without a target."""
    model, sample = built(), random_sample(SEQUENCE, 2)
    model.loss(sample, 0 * WEIGHTS).backward()
    assert gradients(model, "translator") and not gradients(model, "key_translator")
    assert all(not g.any() for g in gradients(model, "encoders") + gradients(model, "decoders"))


def test_the_kept_translator_follows_by_a_moving_average():
    model = built(momentum=0.75)
    kept, trained = (
        {name: weight.clone() for name, weight in part.named_parameters()}
        for part in (model.key_translator, model.translator)
    )
    model.after_step()
    for name, weight in model.key_translator.named_parameters():
        torch.testing.assert_close(weight, 0.75 * kept[name] + 0.25 * trained[name])
    for name, weight in model.translator.named_parameters():
        torch.testing.assert_close(weight, trained[name])


def test_neither_prediction_nor_validation_changes_the_state():
    model, sample = built().eval(), random_sample(SEQUENCE, 2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert any(name.startswith("key_translator") for name in before)
    with torch.no_grad():
        model(sample)
        model.loss(sample, WEIGHTS)
    torch.testing.assert_close(dict(model.state_dict()), before, rtol=0, atol=0)


@pytest.mark.parametrize("residual", [False, True])
def test_missing_targets_weigh_nothing(residual):
    model, sample = built(residual=residual), random_sample(SEQUENCE, 2)
    targets = sample.targets.clone()
    targets[1] = torch.nan
    alone = type(sample)(**{k: v if k == "static" else v[:1] for k, v in sample._asdict().items()})
    model.eval()
    loss = model.loss(sample._replace(targets=targets), WEIGHTS)
    torch.testing.assert_close(loss, model.loss(alone, WEIGHTS))
    loss.backward()
    assert all(g.isfinite().all() for g in gradients(model, "encoders"))


@pytest.mark.parametrize(
    "signature",
    [
        REGIONAL,
        replace(GLOBAL, history=1, leads=5),
        replace(GLOBAL, inputs=("2m_temperature",)),  # the targets are no inputs
    ],
)
@pytest.mark.parametrize("options", [{}, {"residual": True, "calendar": True, "frame_layers": 4}])
def test_any_question(signature, options):
    sample, model = random_sample(signature, 2), built(signature, **options)
    assert model(sample).shape == sample.targets.shape
    assert model.loss(sample, torch.ones(signature.shape[0], 1)).isfinite()


def test_untrained_with_residual_it_is_persistence():
    sample = random_sample(SEQUENCE, 2)
    expected = sample.inputs[:, -1:].expand(-1, 3, -1, -1, -1)
    torch.testing.assert_close(built(residual=True)(sample), expected)


def test_attention_between_variables_by_hand():
    torch.manual_seed(0)
    layer, latent = VariableAttention(4, heads=2), torch.randn(1, 3, 4, 2, 5)
    query, key, value = (
        part(latent[0]).reshape(3, 2, 2 * 2 * 5) for part in (layer.query, layer.key, layer.value)
    )
    mixed = torch.empty(3, 2, 20)
    for head in range(2):
        scores = query[:, head] @ key[:, head].T / (2 * 2 * 5) ** 0.5
        mixed[:, head] = scores.softmax(dim=1) @ value[:, head]
    expected = layer.activation(layer.mix(mixed.reshape(3, 4, 2, 5)))
    torch.testing.assert_close(layer(latent)[0], expected)


def test_variables_change_each_other():
    model, sample = built().eval(), random_sample(SEQUENCE, 1)
    inputs = sample.inputs.clone()
    inputs[:, :, 0] += torch.randn(8, 16)
    changed = (model(sample._replace(inputs=inputs)) - model(sample)).abs().amax(dim=(0, 1, 3, 4))
    assert (changed > 1e-7).all()


@pytest.mark.parametrize("options", [{"heads": 3}, {"momentum": 1.5}, {"blocks": 0}])
def test_wrong_options_are_refused(options):
    with pytest.raises(UserError, match=f"{next(iter(options))} = "):
        built(**options)
