"""Maps for the site, painted pixel by pixel: hundreds in the time that one figure takes.

For a grid and a view the cell under each pixel is looked up once, through cartopy's projection;
a map is then one indexing and a palette of a dozen colours. Titles and colour bars are text of the
page, so that one picture serves light and dark pages and readers who do not see it.
"""

from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import cartopy.crs as ccrs
import matplotlib
import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from climbench.plot.maps import cell_bounds, choose_projection, coastline
from climbench.plot.scales import Scale
from climbench.plot.theme import LIGHT

WIDTH = 560  # pixels; more than a page shows, for sharp screens
COAST, OUTSIDE = "#2f3840", "#ffffff"  # outside is transparent
EUROPE = (-12.5, 42.5, 35.0, 75.0)  # west, east, south, north, as WeatherBench 2 has it
POLE_FROM = 45.0  # degrees of latitude to the pole

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True)
class View:
    """What of the globe is seen, and how.

    Attributes
    ----------
    name
        "globe", "region" (all of a field that is not global), "north_pole", "south_pole", "europe".
    projection
        Of cartopy.
    extent
        West, east, south and north in the projection's own coordinates.
    """

    name: str
    projection: Any
    extent: tuple[float, float, float, float]

    @property
    def height(self) -> int:
        """Pixels from top to bottom."""
        west, east, south, north = self.extent
        return max(60, round(WIDTH * min(1.1, (north - south) / (east - west))))

    def pixels(self) -> tuple[Floats, Floats]:
        """Return longitude and latitude [row, column] of each pixel, NaN off the globe."""
        west, east, south, north = self.extent
        x = west + (np.arange(WIDTH) + 0.5) * (east - west) / WIDTH
        y = north - (np.arange(self.height) + 0.5) * (north - south) / self.height
        plane = np.meshgrid(x, y)
        geodetic = ccrs.PlateCarree()
        points = geodetic.transform_points(self.projection, *(each.copy() for each in plane))
        longitude, latitude = points[..., 0], points[..., 1]
        # beyond the edge the inverse is not finite, or comes back to another place
        back = self.projection.transform_points(geodetic, longitude.copy(), latitude.copy())
        tolerance = 2 * (east - west) / WIDTH
        away = np.hypot(back[..., 0] - plane[0], back[..., 1] - plane[1])
        off = ~(away < tolerance)
        if self.name.endswith("pole"):
            off |= np.hypot(*plane) > self.extent[1]
        return np.where(off, np.nan, longitude), np.where(off, np.nan, latitude)


def views_of(field: xr.DataArray) -> list[View]:
    """Return the views that suit a field [latitude, longitude]: several if it spans the globe."""
    latitude, longitude, _ = cell_bounds(field)
    projection = choose_projection(latitude, longitude)
    if not isinstance(projection, ccrs.Robinson):
        edges = np.meshgrid(longitude, latitude)
        points = projection.transform_points(ccrs.PlateCarree(), *(e.astype(float) for e in edges))
        x, y = points[..., 0], points[..., 1]
        extent = tuple(float(f(v)) for v in (x, y) for f in (np.nanmin, np.nanmax))
        return [View("region", projection, extent)]  # type: ignore[arg-type]
    whole = (*projection.x_limits, *projection.y_limits)
    views = [View("globe", projection, whole)]
    for name, pole in (
        ("north_pole", ccrs.NorthPolarStereo()),
        ("south_pole", ccrs.SouthPolarStereo()),
    ):
        sign = 1.0 if name == "north_pole" else -1.0
        rim = abs(pole.transform_point(0.0, sign * POLE_FROM, ccrs.PlateCarree())[1])
        views.append(View(name, pole, (-rim, rim, -rim, rim)))
    return [*views, View("europe", ccrs.PlateCarree(), EUROPE)]


class Painter:
    """Paints fields of one grid in one view.

    Parameters
    ----------
    field
        Any field [latitude, longitude] of the grid.
    view
        What is seen.
    """

    def __init__(self, field: xr.DataArray, view: View) -> None:
        self.view = view
        latitude_bounds, longitude_bounds, numbers = cell_bounds(_numbered(field))
        longitude, latitude = view.pixels()
        first = longitude_bounds[0]
        row = np.searchsorted(latitude_bounds, latitude, side="right") - 1
        column = (
            np.searchsorted(longitude_bounds, (longitude - first) % 360 + first, side="right") - 1
        )
        inside = np.isfinite(latitude) & (row >= 0) & (column >= 0)
        row_at_pole = np.minimum(row, numbers.shape[0] - 1)  # 90 N belongs to the last cell
        inside &= (latitude <= latitude_bounds[-1]) & (column < numbers.shape[1])
        cells = numbers[row_at_pole, np.minimum(column, numbers.shape[1] - 1)]
        self.cells: Indices = np.where(inside, cells, -1).astype(np.intp)

    @cached_property
    def coast(self) -> NDArray[np.bool_]:
        """The pixels [row, column] on a coastline."""
        shape = self.view.height, WIDTH
        figure = Figure(figsize=(WIDTH / 100, shape[0] / 100), dpi=100)
        canvas: Any = FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), frameon=False)
        axes.set_axis_off()
        points = self.view.projection.transform_points(ccrs.PlateCarree(), *coastline().T.copy())
        x, y = points[..., 0], points[..., 1]
        x = np.where(np.isfinite(coastline()[:, 0]), x, np.nan)
        west, east, south, north = self.view.extent
        jumps = np.flatnonzero(np.abs(np.diff(x)) > (east - west) / 2) + 1
        axes.plot(np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan), "k", linewidth=1.1)
        axes.set(xlim=(west, east), ylim=(south, north))
        canvas.draw()
        dark = np.asarray(canvas.buffer_rgba())[..., 0] < 140
        return dark & (self.cells >= 0)

    def paint(self, field: xr.DataArray, scale: Scale) -> bytes:
        """Return a field [latitude, longitude] of the painter's grid as a PNG."""
        palette = [*colours_of(scale), LIGHT.missing, COAST, OUTSIDE]
        missing, coast, outside = range(len(palette) - 3, len(palette))
        values = field.transpose("latitude", "longitude").values.ravel()
        lowest = 0 if scale.extend in ("min", "both") else 1  # else the first step is the lowest
        steps = np.digitize(values, scale.levels) - lowest
        steps = np.where(np.isfinite(values), np.clip(steps, 0, missing - 1), missing)
        pixels = np.append(steps, outside).astype(np.uint8)[self.cells]
        pixels[self.coast] = coast
        picture = Image.fromarray(pixels, mode="P")
        picture.putpalette([int(c[i : i + 2], 16) for c in palette for i in (1, 3, 5)])
        file = BytesIO()
        bits = 4 if len(palette) <= 16 else 8
        picture.save(file, "PNG", transparency=outside, bits=bits, compress_level=6)
        return file.getvalue()


def colours_of(scale: Scale) -> list[str]:
    """Return the colour of each step between the levels, and of what lies beyond them."""
    steps = len(scale.levels) - 1 + {"neither": 0, "min": 1, "max": 1, "both": 2}[scale.extend]
    shades = matplotlib.colormaps.get_cmap(scale.colours)(np.linspace(0.02, 0.98, steps))
    return [to_hex(shade) for shade in shades]


def _numbered(field: xr.DataArray) -> xr.DataArray:
    """Return a field of the same grid whose values are the places of its cells in memory."""
    field = field.transpose("latitude", "longitude")
    return field.copy(data=np.arange(field.size, dtype=float).reshape(field.shape))
