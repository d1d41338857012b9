"""The variables of the published ClimaX, by the names of climbench's channels."""

from collections.abc import Sequence

import torch
from torch import Tensor

LEVELS = (50, 250, 500, 600, 700, 850, 925)  # hPa
ON_LEVELS = (
    "geopotential",
    "u_component_of_wind",
    "v_component_of_wind",
    "temperature",
    "relative_humidity",
    "specific_humidity",
)
PUBLISHED_VARIABLES = (
    "land_sea_mask",
    "orography",
    "latitude_field",
    "2m_temperature",
    "10m_u_component_of_wind",
    "10m_v_component_of_wind",
    *(f"{variable}_{level}" for variable in ON_LEVELS for level in LEVELS),
)
"""48 channels in the order of the authors' checkpoints (their ``default_vars``)."""

SAME = {
    "lattitude": "latitude_field",  # the authors' spelling
    "latitude": "latitude_field",
    # These are the same times a constant, which scaling takes out again.
    "geopotential_at_surface": "orography",
    **{f"geopotential_height_{level}": f"geopotential_{level}" for level in LEVELS},
}
CALENDAR = ("season_cosine", "season_sine", "hour_cosine", "hour_sine")
COORDINATES = ("sphere_x", "sphere_y", "sphere_z")


def known_as(name: str) -> str:
    """Return under which name a vocabulary has a channel.

    Examples
    --------
    >>> known_as("geopotential_at_surface"), known_as("temperature_850")
    ('orography', 'temperature_850')
    """
    return SAME.get(name, name)


def names_to_tensor(names: Sequence[str]) -> Tensor:
    """Return names as bytes, so that weights say which variable each row belongs to.

    Examples
    --------
    >>> names_of_tensor(names_to_tensor(["orography", "temperature_850"]))
    ('orography', 'temperature_850')
    """
    return torch.tensor(list("\n".join(names).encode()), dtype=torch.uint8)


def names_of_tensor(values: Tensor) -> tuple[str, ...]:
    """Return the names that :func:`names_to_tensor` wrote."""
    return tuple(bytes(values.tolist()).decode().split("\n"))
