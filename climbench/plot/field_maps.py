"""Maps of fields and of errors, prediction beside truth, and a forecast as an animation."""

from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

import cartopy.crs as ccrs
import numpy as np
import xarray as xr
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from climbench.errors import UserError
from climbench.plot.canvases import geographic, new_figure, titled
from climbench.plot.maps import (
    cell_bounds,
    choose_projection,
    draw_map,
    dress_bar,
    limits,
    map_figure,
)
from climbench.plot.opening import Source, one_of, opened
from climbench.plot.scales import (
    Colours,
    Levels,
    Scale,
    bias_scale,
    error_scale,
    field_scale,
    with_options,
)
from climbench.plot.selecting import (
    in_region,
    narrowed,
    on_grid,
    one_field,
    pair,
    title_of,
    units_label,
)
from climbench.plot.theme import DOTS_PER_INCH, LIGHT, heading
from climbench.plot.wording import channel_units, with_units

POLAR = 30.0  # degrees: a polar map of a global field ends here
PROJECTIONS = ("robinson", "plate_carree", "north_pole", "south_pole")


def map(
    source: Source,
    channel: str | None = None,
    *,
    metric: str | None = None,
    region: str | None = None,
    projection: str | ccrs.Projection | None = None,
    cmap: Colours = None,
    levels: Levels = None,
    title: str | None = None,
    ax: Any = None,
    **where: Any,
) -> Any:
    """Draw one field, or the error map of scores, with coastlines.

    Cells are drawn as they are, without smoothing; missing ones are grey. Of each dimension that
    is not named the first label is shown; the title says which.

    Parameters
    ----------
    source
        Fields with ``latitude`` and ``longitude`` in degrees, in any order, or scores with error
        maps: a dataset, an array, or the path of a Zarr group, a netCDF file or ``scores.nc``.
    channel
        A variable, or one at a level in hPa, such as ``geopotential_500``; by default the first.
    metric
        Of scores: ``rmse`` (default) or ``bias``.
    region
        Any region of the evaluation: ``europe``, ``arctic``, ``lat:20:60``,
        ``box:35:75:-12.5:42.5``, ``land``; by default all cells.
    projection
        ``robinson``, ``plate_carree``, ``north_pole``, ``south_pole``, or one of cartopy's; by
        default Robinson for the globe and what suits the region otherwise.
    cmap, levels
        As in xarray: a matplotlib colour map, and the bounds of the colours in the field's units
        or about how many. By default diverging about zero where a field has both signs.
    title
        Heading; by default what is shown.
    ax
        Cartopy's axes to draw on; by default a figure of its own.
    **where
        Labels of other dimensions: ``time="2003-01-01"``, ``lead_time=24`` (hours),
        ``model="resnet"``, ``scenario="ssp126"``, ``member=0``.

    Returns
    -------
    cartopy.mpl.geoaxes.GeoAxes
        The map.

    Raises
    ------
    UserError
        If the channel, the metric, a label, the region or the projection is not there.

    Examples
    --------
    >>> grid = {"latitude": [-45.0, 45.0], "longitude": [0.0, 90.0, 180.0, 270.0]}
    >>> warmth = xr.DataArray(np.ones((2, 4)), grid, name="tas", attrs={"units": "K"})
    >>> map(warmth, levels=[0, 1, 2]).get_title(loc="left")
    'tas'
    """
    field, scale, label = _of_scores(source, channel, metric, where) or _of_field(
        source, channel, metric, where
    )
    field = in_region(field, region)
    scale = with_options(scale([field]), cmap, levels)
    wanted = _projection(projection)
    text = title_of(field, str(field.name)) if title is None else title
    if ax is not None:
        axes = geographic(ax)
        field = _of_pole(field, axes.projection)
        bar = axes.figure.colorbar(
            draw_map(axes, field, scale), ax=axes, orientation="horizontal", pad=0.04, shrink=0.8,
            aspect=40,
        )  # fmt: skip
        dress_bar(bar, scale, label)
        titled(axes, text, axes.get_position().width * axes.figure.get_figwidth())
    else:
        field = _of_pole(field, wanted)
        figure = new_figure()
        figure.set_layout_engine("none")
        lines = fill(text, 64)
        axes = map_figure(field, scale, lines, label, projection=wanted, figure=figure).axes[0]
    return axes


def _of_field(source: Source, channel: str | None, metric: str | None, where: Any) -> Any:
    if metric is not None:
        raise UserError(f"metric='{metric}' is for scores, and these are fields: leave it out.")
    field = one_field(source, channel, where)
    return field, field_scale, units_label(field)


def _of_scores(source: Source, channel: str | None, metric: str | None, where: Any) -> Any:
    """Return an error map, its kind of scale and its label; None if these are no scores."""
    data = opened(source)
    if not isinstance(data, xr.Dataset) or "score" not in data:
        return None
    maps = [str(name).removeprefix("map_") for name in data if str(name).startswith("map_")]
    if not maps:
        raise UserError("the scores have no maps: evaluate with maps=true.")
    chosen = one_of("map of", metric or ("rmse" if "rmse" in maps else maps[0]), maps)
    channel = one_of("channel", channel or data["channel"].values[0], data["channel"].values)
    field = data[f"map_{chosen}"].sel(channel=channel).rename(f"{chosen} of {channel}")
    field = on_grid(narrowed(field, where, ("latitude", "longitude")))
    field = field.assign_attrs(simulated=data.attrs.get("simulated", ""))
    scale = bias_scale if chosen == "bias" else error_scale
    return field, scale, with_units(str(field.name), channel_units(data, channel))


def _projection(wanted: str | ccrs.Projection | None) -> Any:
    if wanted is None or isinstance(wanted, ccrs.Projection):
        return wanted
    name = one_of("projection", wanted, PROJECTIONS)
    made = {
        "robinson": ccrs.Robinson,
        "plate_carree": ccrs.PlateCarree,
        "north_pole": ccrs.NorthPolarStereo,
        "south_pole": ccrs.SouthPolarStereo,
    }
    return made[name]()


def _of_pole(field: xr.DataArray, projection: Any) -> xr.DataArray:
    """Return the cap that a polar map can show."""
    if isinstance(projection, ccrs.NorthPolarStereo):
        return field.sel(latitude=slice(POLAR, 90))
    if isinstance(projection, ccrs.SouthPolarStereo):
        return field.sel(latitude=slice(-90, -POLAR))
    return field


def comparison(
    prediction: Source,
    truth: Source,
    channel: str | None = None,
    *,
    region: str | None = None,
    projection: str | ccrs.Projection | None = None,
    cmap: Colours = None,
    levels: Levels = None,
    difference_levels: Levels = None,
    **where: Any,
) -> Figure:
    """Draw truth, prediction and their difference at one time.

    Truth and prediction share their colours. A forecast is shown beside the truth of the time that
    it is for (its start and the lead time), an emulation beside that of its year, a truth with
    several members as their mean.

    Parameters
    ----------
    prediction, truth
        Fields on the same grid: forecasts ``[time, prediction_timedelta, (level), latitude,
        longitude]``, emulations ``[scenario, time, ...]`` or a single field; datasets, arrays or
        paths.
    channel
        A variable, or one at a level, such as ``geopotential_500``; by default the first.
    region, projection, cmap, levels
        As in :func:`map`.
    difference_levels
        Bounds of the colours of the difference (prediction less truth), or about how many.
    **where
        Labels of the prediction: ``time="2003-01-01"`` (its start), ``lead_time=24`` (hours).

    Returns
    -------
    matplotlib.figure.Figure
        Three maps.

    Raises
    ------
    UserError
        If a channel, label, region or projection is not there, or the grids differ.

    Examples
    --------
    >>> grid = {"latitude": [-45.0, 45.0], "longitude": [0.0, 90.0, 180.0, 270.0]}
    >>> truth = xr.DataArray(np.eye(2, 4), grid, name="tas", attrs={"units": "K"})
    >>> [axes.get_title(loc="left") for axes in comparison(truth + 1, truth).axes[:3]]
    ['truth', 'prediction', 'prediction less truth']
    """
    forecast, target = pair(prediction, truth, channel, where)
    title = title_of(forecast, str(forecast.name))
    forecast, target = in_region(forecast, region), in_region(target, region)
    shared = with_options(field_scale([target, forecast]), cmap, levels)
    label = units_label(target) or units_label(forecast)
    return _beside(target, forecast, shared, _projection(projection), label, title,
                   difference_levels)  # fmt: skip


def _beside(
    target: xr.DataArray,
    forecast: xr.DataArray,
    shared: Scale,
    projection: Any,
    label: str,
    title: str,
    difference_levels: Levels = None,
) -> Figure:
    """Return truth, prediction and difference in a row."""
    target, forecast = _of_pole(target, projection), _of_pole(forecast, projection)
    difference = forecast.copy(data=forecast.values - target.values)
    own = with_options(bias_scale([difference]), None, difference_levels)
    bounds = cell_bounds(forecast)[:2]
    projection = projection or choose_projection(*bounds)
    x, y = limits(projection, *bounds)
    width = 4.0
    height = width * np.clip((y[1] - y[0]) / (x[1] - x[0]), 0.3, 1.2) + 1.2
    figure = new_figure(3 * width, height)
    row: Any = figure.subplots(1, 3, subplot_kw={"projection": projection})
    first = draw_map(row[0], target, shared)
    draw_map(row[1], forecast, shared)
    last = draw_map(row[2], difference, own)
    for axes, text in zip(row, ("truth", "prediction", "prediction less truth"), strict=True):
        heading(axes, text, LIGHT)
    bars: dict[str, Any] = {"orientation": "horizontal", "pad": 0.03, "aspect": 40}
    dress_bar(figure.colorbar(first, ax=list(row[:2]), shrink=0.6, **bars), shared, label)
    less = {**bars, "aspect": 24}
    dress_bar(figure.colorbar(last, ax=row[2], shrink=0.85, **less), own, f"difference in {label}")
    figure.suptitle(title.replace("$", r"\$"), fontsize=11, color=LIGHT.text)
    return figure


def animation(
    prediction: Source,
    truth: Source | None = None,
    path: Path | str = "forecast.gif",
    channel: str | None = None,
    *,
    region: str | None = None,
    projection: str | ccrs.Projection | None = None,
    cmap: Colours = None,
    levels: Levels = None,
    frames_per_second: float = 2.0,
    **where: Any,
) -> Path:
    """Write a forecast over its lead times (or an emulation over its years) as a GIF.

    All frames share their colours, those of the difference too. With a truth each frame is a
    :func:`comparison`.

    Parameters
    ----------
    prediction, truth, channel, region, projection, cmap, levels
        As in :func:`comparison`; without truth the prediction alone.
    path
        The GIF to write; replaced if it exists.
    frames_per_second
        Speed.
    **where
        Labels of the prediction: ``time="2003-01-01"`` (its start).

    Returns
    -------
    Path
        ``path``.

    Raises
    ------
    UserError
        If the prediction has neither several lead times nor several times, or as in
        :func:`comparison`.

    Examples
    --------
    >>> animation("predictions.zarr", "truth.zarr", "storm.gif",
    ...           "geopotential_500", time="2003-01-10")  # doctest: +SKIP
    PosixPath('storm.gif')
    """
    from PIL import Image

    frames = _frames(prediction, truth, channel, where)
    cut = [[in_region(field, region) for field in fields] for fields in frames]
    shared = with_options(field_scale([field for fields in cut for field in fields]), cmap, levels)
    errors = [fields[0].copy(data=fields[0].values - fields[-1].values) for fields in cut]
    own, pictures = bias_scale(errors), []
    for fields in cut:
        figure = _frame(fields, shared, own, _projection(projection))
        pictures.append(Image.open(BytesIO(_png(figure))).convert("RGB"))
    # one palette for all frames, or colours would flicker
    palette = pictures[-1].quantize(256, dither=Image.Dither.NONE)
    small = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    duration = round(1000 / frames_per_second)
    small[0].save(path, "GIF", save_all=True, append_images=small[1:], duration=duration, loop=0)
    return path


def _frames(
    prediction: Source, truth: Source | None, channel: str | None, where: dict[str, Any]
) -> list[list[xr.DataArray]]:
    """Return the fields of each frame: the prediction, and the truth if there is one."""
    data = opened(prediction)
    along = next((dim for dim in ("lead_time", "time") if data.sizes.get(dim, 1) > 1), None)
    if along is None:
        raise UserError("the prediction has one time only: there is nothing to animate.")
    if along in where:
        raise UserError(f"the animation goes along '{along}': leave it out.")
    if truth is None:
        return [[one_field(data, channel, {**where, along: v})] for v in data[along].values]
    known = opened(truth)
    return [
        list(pair(data, known, channel, {**where, along: value})) for value in data[along].values
    ]


def _frame(fields: list[xr.DataArray], shared: Scale, own: Scale, projection: Any) -> Figure:
    """Return the figure of one frame, which pyplot does not keep."""
    import matplotlib.pyplot as plt

    title = title_of(fields[0], str(fields[0].name))
    if len(fields) == 2:
        figure = _beside(fields[1], fields[0], shared, projection, units_label(fields[1]), title,
                         own.levels)  # fmt: skip
    else:
        cap = _of_pole(fields[0], projection)
        figure = map_figure(cap, shared, title, units_label(cap), projection=projection)
    plt.close(figure)
    return figure


def _png(figure: Figure) -> bytes:
    file = BytesIO()
    figure.set_dpi(DOTS_PER_INCH * 0.7)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.print_png(file)
    return file.getvalue()
