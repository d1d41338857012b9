"""The U-Net has the published size, closes in longitude at every level, and fits any grid."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from climbench.errors import UserError
from climbench.models.padding import Edges
from climbench.models.unet import UNet, halve
from climbench.testing.model_contract import GLOBAL, REGIONAL, random_sample

EMISSIONS = replace(
    GLOBAL, inputs=("black_carbon", "carbon_dioxide", "methane", "sulphur_dioxide"), forcings=(),
    static=(), targets=("pr", "tas"), history=1, leads=1,
)  # fmt: skip
CLIMATESET = replace(
    EMISSIONS,
    latitude=tuple(np.linspace(-90.0, 90.0, 96).tolist()),
    longitude=tuple(2.5 * column for column in range(144)),
)
SMALL = {"encoder": ((4,), (6, 6)), "decoder": (6, 4)}


def test_parameters_are_those_of_segmentation_models():
    # counted with segmentation-models-pytorch 0.6.0, Unet("vgg11", in_channels, classes)
    published = {("co2", "ch4", "so2"): 18_254_033, EMISSIONS.inputs: 18_254_754}
    for inputs, count in published.items():
        targets = ("tas",) if len(inputs) == 3 else EMISSIONS.targets
        with torch.device("meta"):
            model = UNet(replace(CLIMATESET, inputs=inputs, targets=targets))
        assert sum(weight.numel() for weight in model.parameters()) == count


def test_an_odd_row_of_cells_is_closed_before_it_is_halved():
    globe, region = Edges(periodic=True, south=0, north=0), Edges(False, None, None)
    maps = torch.tensor([[[[9.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]])
    assert halve(maps, globe).tolist() == [[[[9.0, 9.0]]]]  # 9 is east of 3
    assert halve(maps, region).tolist() == [[[[9.0, 6.0]]]]  # 3 goes on as it is


def test_the_answer_turns_with_the_globe():
    torch.manual_seed(0)
    model, sample = UNet(EMISSIONS, **SMALL).eval(), random_sample(EMISSIONS, 1)
    turned = sample._replace(inputs=sample.inputs.roll(4, dims=-1))  # two halvings: steps of 4
    torch.testing.assert_close(model(turned), model(sample).roll(4, dims=-1))


def test_emissions_that_are_the_same_everywhere_need_the_coordinates():
    torch.manual_seed(0)
    sample = random_sample(EMISSIONS, 1)
    sample = sample._replace(inputs=torch.ones_like(sample.inputs))
    flat = UNet(EMISSIONS, **SMALL).eval()(sample)
    torch.testing.assert_close(flat.amax((-2, -1)), flat.amin((-2, -1)))
    located = UNet(EMISSIONS, coordinates=True, **SMALL).eval()(sample)
    assert (located.amax((-2, -1)) - located.amin((-2, -1))).min() > 1e-3


def test_the_answer_sees_fine_detail_and_the_far_field():
    torch.manual_seed(0)
    model, sample = UNet(EMISSIONS, **SMALL).eval(), random_sample(EMISSIONS, 1)
    changed = sample.inputs.clone()
    changed[..., 4, 8] += 10
    change = (model(sample._replace(inputs=changed)) - model(sample)).abs()[0, 0].sum(0)
    assert change[4, 8] > 0 and change[4, 13] > 0


@pytest.mark.parametrize("signature", [REGIONAL, GLOBAL, replace(GLOBAL, latitude=(-60.0, 0, 60))])
def test_any_grid(signature):
    sample = random_sample(signature, 2)
    deep = {"encoder": ((4,),) * 5, "decoder": (4,) * 5}
    assert UNet(signature, **deep)(sample).shape == sample.targets.shape


def test_levels_that_do_not_match_are_refused():
    with pytest.raises(UserError, match="'encoder' has 2 levels and 'decoder' 1"):
        UNet(EMISSIONS, encoder=((4,), (8,)), decoder=(4,))
