import numpy as np
import pytest

from climbench.errors import UserError
from climbench.store import channel_names, read_channel, split_channel


def test_channels_are_variables_or_variables_at_levels(weather):
    names = ["temperature_500", "temperature_850", "2m_temperature", "orography"]
    assert channel_names(weather) == names


def test_a_whole_name_is_a_surface_variable_though_it_has_underscores(weather):
    assert split_channel(weather, "2m_temperature") == ("2m_temperature", None)
    assert split_channel(weather, "temperature_500") == ("temperature", 500.0)


def test_reading_takes_the_level_out(weather):
    field = read_channel(weather, "temperature_850")
    assert field.dims == ("time", "latitude", "longitude")
    assert "level" not in field.coords
    np.testing.assert_array_equal(field, weather["temperature"][:, 1])
    assert read_channel(weather, "orography").dims == ("latitude", "longitude")


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("temprature_500", "did you mean 'temperature_500'"),
        ("temperature_501", "the levels of temperature are temperature_500, temperature_850"),
        ("temperature", "the levels of temperature are temperature_500, temperature_850"),
        ("humidity", "valid names: 2m_temperature, orography, temp"),
    ],
)
def test_an_unknown_channel_is_one_sentence_with_the_nearest(weather, wrong, hint):
    with pytest.raises(UserError, match=f"unknown channel '{wrong}': ({hint})"):
        read_channel(weather, wrong)
