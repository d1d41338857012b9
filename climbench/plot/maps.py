"""Maps with coastlines, drawn by cartopy without any network.

Cells are drawn as they are, not smoothed. Their corners are projected here and handed over in
the map's own coordinates; the column of cells that lies across the date line is drawn on both
sides, so there is no seam anywhere.
"""

from functools import cache
from pathlib import Path
from typing import Any

import cartopy.crs as ccrs
import numpy as np
import xarray as xr
from cartopy.mpl.ticker import LatitudeFormatter, LongitudeFormatter
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, MaxNLocator
from numpy.typing import NDArray

from climbench.plot.scales import Scale
from climbench.plot.theme import LIGHT, Theme, heading, safe

_COASTLINE = Path(__file__).with_name("coastline_110m.npz")

Floats = NDArray[np.float64]


def map_figure(
    field: xr.DataArray,
    scale: Scale,
    title: str,
    label: str,
    theme: Theme = LIGHT,
    projection: Any = None,
    figure: Figure | None = None,
) -> Figure:
    """Return a map of one field: Robinson if it spans the globe, else what suits the region.

    Parameters
    ----------
    field
        [latitude, longitude] in degrees, in any order; NaN is drawn grey.
    scale
        Steps of colour.
    title
        Heading of the map.
    label
        What the colours mean, with units.
    theme
        Colours of the page.
    projection
        A cartopy projection instead.
    figure
        Where it is drawn, and given its size; a new one by default.
    """
    latitude_bounds, longitude_bounds, _ = cell_bounds(field)
    projection = projection or choose_projection(latitude_bounds, longitude_bounds)
    x_limits, y_limits = limits(projection, latitude_bounds, longitude_bounds)
    shape = np.clip((y_limits[1] - y_limits[0]) / (x_limits[1] - x_limits[0]), 0.25, 1.1)
    labelled = isinstance(projection, ccrs.PlateCarree)
    left, bottom, width = (0.55, 0.85, 5.3) if labelled else (0.1, 0.6, 5.8)
    height = bottom + shape * width + 0.35 + 0.18 * title.count("\n")
    # places in inches, not a layout engine, which would double the time of drawing
    figure = Figure() if figure is None else figure
    figure.set_size_inches(6.0, height)
    figure.set_facecolor(theme.face)
    box = (left / 6, bottom / height, width / 6, shape * width / height)
    axes: Any = figure.add_axes(box, projection=projection)
    mesh = draw_map(axes, field, scale, theme)
    heading(axes, title, theme)
    bar_axes = figure.add_axes((0.15, 0.42 / height, 0.7, 0.11 / height))
    dress_bar(figure.colorbar(mesh, cax=bar_axes, orientation="horizontal"), scale, label, theme)
    return figure


def draw_map(axes: Any, field: xr.DataArray, scale: Scale, theme: Theme = LIGHT) -> Any:
    """Draw cells and coastline on cartopy's axes, and return the coloured mesh.

    Parameters
    ----------
    axes
        Of any projection; in those of :func:`choose_projection` no cell is lost at an edge.
    field
        [latitude, longitude] in degrees, in any order; NaN is drawn grey.
    scale
        Steps of colour.
    theme
        Colours of the page.
    """
    latitude_bounds, longitude_bounds, values = cell_bounds(field)
    projection, how = axes.projection, {}
    if exact(projection):
        x, y = _project(projection, *np.meshgrid(longitude_bounds, latitude_bounds))
        x_limits, y_limits = limits(projection, latitude_bounds, longitude_bounds)
        axes.set_xlim(x_limits)
        axes.set_ylim(y_limits)
    else:
        x, y, how = longitude_bounds, latitude_bounds, {"transform": ccrs.PlateCarree()}
    axes.set_facecolor(theme.face)
    norm = BoundaryNorm(scale.levels, ncolors=256, extend=scale.extend)
    backdrop = np.where(np.isfinite(values), np.nan, 0.0)
    axes.pcolormesh(x, y, backdrop, cmap=ListedColormap([theme.missing]), rasterized=True, **how)
    mesh = axes.pcolormesh(x, y, values, cmap=scale.colours, norm=norm, rasterized=True, **how)
    _draw_coastline(axes, projection)
    if isinstance(projection, ccrs.PlateCarree):
        _mark_degrees(axes, theme)
    axes.spines["geo"].set(edgecolor=theme.faint, linewidth=0.8)
    return mesh


def dress_bar(bar: Any, scale: Scale, label: str, theme: Theme = LIGHT) -> None:
    """Give a colour bar its label and at most eight ticks, fewer where numbers are long."""
    bar.set_label(safe(label), color=theme.text, fontsize=9, labelpad=1)
    flat = bar.orientation == "horizontal"
    width = bar.ax.get_position().width * bar.ax.figure.get_figwidth()
    bar.set_ticks(_ticks(scale.levels, width if flat else np.inf))
    bar.formatter = FormatStrFormatter("%g")
    bar.update_ticks()
    bar.ax.tick_params(colors=theme.text, labelsize=8.5, length=0)
    bar.outline.set_visible(False)


def _ticks(levels: tuple[float, ...], width: float) -> tuple[float, ...]:
    """Return the levels that have room on ``width`` inches, zero among them if it is one.

    Examples
    --------
    >>> _ticks((-3000.0, -2000.0, -1000.0, 0.0, 1000.0, 2000.0, 3000.0), 1.4)
    (-3000.0, 0.0, 3000.0)
    """
    longest = max(len(f"{level:g}") for level in levels)
    room = min(8.0, max(2.0, width / (0.09 * (longest + 1))))
    every = int(np.ceil(len(levels) / room))
    return levels[levels.index(0.0) % every if 0.0 in levels else 0 :: every]


def exact(projection: Any) -> bool:
    """Tell whether cells are projected here: where the map is cut as the cells are."""
    if isinstance(projection, ccrs.Robinson):
        return not projection.proj4_params.get("lon_0", 0)
    return isinstance(projection, ccrs.PlateCarree | ccrs.Stereographic | ccrs.LambertConformal)


def limits(
    projection: Any, latitude_bounds: Floats, longitude_bounds: Floats
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Return the ends of x and y in the projection's own coordinates: all of a globe."""
    if isinstance(projection, ccrs.Robinson) or not exact(projection):
        return projection.x_limits, projection.y_limits
    x, y = _project(projection, *np.meshgrid(longitude_bounds, latitude_bounds))
    return (np.nanmin(x), np.nanmax(x)), (np.nanmin(y), np.nanmax(y))


def cell_bounds(field: xr.DataArray) -> tuple[Floats, Floats, Floats]:
    """Return the bounds of latitude [m + 1] and longitude [n + 1], and the values [m, n] between.

    Longitudes become contiguous and rise from west to east. A field that spans all longitudes is
    cut at the date line: from -180 to 180 exactly, with the cells across the line on both sides.
    """
    field = field.transpose("latitude", "longitude").sortby("latitude")
    latitude = field["latitude"].values.astype(float)
    order, longitude, spans_all = contiguous(field["longitude"].values.astype(float))
    values = field.values[:, order].astype(float)
    latitude_bounds = np.clip(midpoints(latitude), -90.0, 90.0)
    if not spans_all:
        return latitude_bounds, midpoints(longitude), values
    order = np.argsort((longitude + 180) % 360)
    longitude, values = (longitude[order] + 180) % 360 - 180, values[:, order]
    seam = (longitude[-1] - 360 + longitude[0]) / 2
    inner = (longitude[1:] + longitude[:-1]) / 2
    if seam < -180:  # the first cell sticks out in the west: its rest is in the far east
        bounds = np.array([-180.0, *inner, seam + 360, 180.0])
        return latitude_bounds, bounds, np.column_stack([values, values[:, 0]])
    if seam > -180:
        bounds = np.array([-180.0, seam, *inner, 180.0])
        return latitude_bounds, bounds, np.column_stack([values[:, -1], values])
    return latitude_bounds, np.array([-180.0, *inner, 180.0]), values


def contiguous(longitude: Floats) -> tuple[NDArray[np.intp], Floats, bool]:
    """Return the order in which longitudes rise without a gap, the longitudes, and if they close.

    Examples
    --------
    >>> contiguous(np.array([0.0, 10.0, 340.0, 350.0]))
    (array([2, 3, 0, 1]), array([-20., -10.,   0.,  10.]), False)
    """
    order = np.argsort(longitude % 360)
    rising = longitude[order] % 360
    gaps = np.diff(rising, append=rising[0] + 360)
    widest = int(np.argmax(gaps))
    step = np.median(np.delete(gaps, widest)) if len(gaps) > 1 else 0.0
    order, rising = np.roll(order, -widest - 1), np.roll(rising, -widest - 1)
    rising = np.where(rising < rising[0], rising + 360, rising)
    spans_all = bool(gaps[widest] < 1.5 * step)
    return order, rising - (360 if rising[-1] > 180 and not spans_all else 0), spans_all


def choose_projection(latitude_bounds: Floats, longitude_bounds: Floats) -> Any:
    """Return the map projection that suits a region, given its bounds in degrees."""
    south, north = latitude_bounds[0], latitude_bounds[-1]
    west, east = longitude_bounds[0], longitude_bounds[-1]
    middle, centre = (south + north) / 2, (west + east) / 2
    if east - west > 300 and north - south > 100:
        return ccrs.Robinson()
    if east - west > 300 and abs(middle) > 50:
        return ccrs.NorthPolarStereo() if middle > 0 else ccrs.SouthPolarStereo()
    if east - west <= 140 and min(abs(south), abs(north)) >= 20 and south * north > 0:
        sixth = (north - south) / 6
        return ccrs.LambertConformal(
            centre, middle, standard_parallels=(south + sixth, north - sixth), cutoff=0
        )
    return ccrs.PlateCarree(round(centre, -1) if east - west <= 300 else centre)  # even labels


@cache
def coastline() -> Floats:
    """Return Natural Earth's coastline (public domain), 1:110 million, [point, 2] in degrees.

    Longitude and latitude; a row of NaN ends each line.
    """
    with np.load(_COASTLINE, allow_pickle=False) as file:
        return np.asarray(file["coastline"], dtype=np.float64)


def _draw_coastline(axes: Any, projection: Any) -> None:
    x, y = _project(projection, *coastline().T)
    width = projection.x_limits[1] - projection.x_limits[0]
    jumps = np.flatnonzero(np.abs(np.diff(x)) > width / 2) + 1  # lines across the map's own edge
    x, y = np.insert(x, jumps, np.nan), np.insert(y, jumps, np.nan)
    axes.plot(x, y, color="#4f5963", linewidth=0.7, scalex=False, scaley=False)


def _mark_degrees(axes: Any, theme: Theme) -> None:
    """Label the axes of a rectangular map in degrees."""
    axes.xaxis.set_visible(True)
    axes.yaxis.set_visible(True)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 3, 5, 6, 10]))
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 3, 5, 6, 10]))
    axes.xaxis.set_major_formatter(LongitudeFormatter())
    axes.yaxis.set_major_formatter(LatitudeFormatter())
    axes.tick_params(colors=theme.text, labelsize=8.5)


def _project(projection: Any, longitude: Floats, latitude: Floats) -> tuple[Floats, Floats]:
    # cartopy changes its arguments in place: NaN becomes 0
    points = projection.transform_points(ccrs.PlateCarree(), longitude.copy(), latitude.copy())
    seen = np.isfinite(longitude + latitude)[..., None] & np.isfinite(points)
    points = np.where(seen, points, np.nan)
    return points[..., 0], points[..., 1]


def midpoints(centres: Floats) -> Floats:
    """Return the bounds [n + 1] of cells around rising centres [n]; one cell is a degree wide."""
    if len(centres) == 1:
        return np.array([centres[0] - 0.5, centres[0] + 0.5])
    inner = (centres[1:] + centres[:-1]) / 2
    return np.array([2 * centres[0] - inner[0], *inner, 2 * centres[-1] - inner[-1]])
