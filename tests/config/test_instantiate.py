"""Options in YAML are checked against the constructor that they are for."""

import pytest

from climbench.config import instantiate
from climbench.errors import UserError


class Engine:
    def __init__(
        self,
        power: int,
        fuel: str = "wood",
        gears: tuple[int, ...] | None = None,
        *,
        maker: object = None,
    ) -> None:
        self.power, self.fuel, self.gears, self.maker = power, fuel, gears, maker


TARGET = {"_target_": f"{__name__}.Engine"}


def test_builds_the_target_with_options_and_extra_arguments():
    maker = object()
    engine = instantiate({**TARGET, "power": 3}, maker=maker)
    assert (engine.power, engine.fuel, engine.maker) == (3, "wood", maker)


@pytest.mark.parametrize(
    ("node", "sentence"),
    [
        (
            {**TARGET, "power": 3, "fule": "coal"},
            "Engine has no option 'fule': did you mean 'fuel'",
        ),
        ({**TARGET}, "Engine needs the option 'power'"),
        ({**TARGET, "power": "much"}, "option 'power' = 'much' is wrong: give a whole number"),
        ({**TARGET, "power": 3, "gears": 2}, "'gears' = 2 is wrong: give a list, such as"),
        ({"power": 3}, "'_target_' is missing"),
        ({"_target_": "climbench.models.nothing.Nothing"}, "'climbench.models.nothing.Nothing'"),
        ({"_target_": "nodots"}, "'nodots' cannot be imported"),
    ],
)
def test_a_wrong_option_is_named(node, sentence):
    with pytest.raises(UserError, match=sentence):
        instantiate(node)
