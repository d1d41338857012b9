"""Times of tables: of one column or of several, in any zone, as nanoseconds since 1970 UTC."""

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.recipes.schema.tables import Tables

ZONE = re.compile(r"(?<=\d)\s*(Z|UTC|[+-]\d\d:?\d\d)$")


def time_columns(frame: pd.DataFrame, where: str, source: Tables) -> list[str]:
    """Return the columns that make the time: those that are named, or the first."""
    if source.time is None:
        return [str(frame.columns[0])]
    columns = [source.time] if isinstance(source.time, str) else source.time
    for column in columns:
        if column not in frame:
            hint = nearest(column, map(str, frame.columns))
            raise UserError(f"{where} has no column '{column}' for the time: {hint}")
    return columns


def times(frame: pd.DataFrame, where: str, source: Tables, zones: set[str]) -> NDArray[np.int64]:
    """Return the times of rows as nanoseconds since 1970 UTC.

    Parameters
    ----------
    frame
        Rows, indexed by their lines.
    where
        Name of the file, for errors.
    source
        Its ``time``, ``time_format`` and ``zone``.
    zones
        Zones that were written in the rows before; added to.

    Raises
    ------
    UserError
        If a time cannot be read, or zones are mixed.
    """
    columns = time_columns(frame, where, source)
    raw = frame[columns[0]]
    if pd.api.types.is_datetime64_any_dtype(raw):
        stamps = pd.DatetimeIndex(raw)
        return _utc(stamps, where, source)
    if (source.time_format or "").startswith("unix"):
        unit = 1e6 if source.time_format == "unix_ms" else 1e9
        seconds = pd.to_numeric(raw, errors="coerce").to_numpy(np.float64)
        _refuse_bad(~(np.abs(seconds * unit) < np.iinfo(np.int64).max), raw, where)
        return np.asarray(np.round(seconds * unit), dtype=np.int64)
    if len(columns) > 1:
        text = _joined(frame, columns)
    else:
        text = raw.astype(str).str.strip()
    written = text.str.extract(ZONE, expand=False).fillna("")
    new = {str(one).replace("Z", "UTC").replace("+00:00", "UTC") for one in written.unique()}
    if source.zone != "as_written" and len(zones | new) > 1:
        first, other = [zone or "none" for zone in sorted(zones | new)[:2]]
        raise UserError(
            f"{where}: times from line {frame.index[0]} on are of several zones "
            f"('{first}' and '{other}'): write them in one, or set 'zone: as_written'."
        )
    zones |= new
    bare = text if source.time_format else text.str.replace(ZONE, "", regex=True)
    layout = source.time_format or "ISO8601"
    try:
        parsed = pd.to_datetime(bare, format=layout, errors="coerce")
    except ValueError as error:  # of the format, not of a time
        raise UserError(f"'time_format: {layout}' is none: {error}.") from error
    _refuse_bad(parsed.isna().to_numpy(), text, where)
    if source.time_format or not any(zones):
        return _utc(pd.DatetimeIndex(parsed), where, source)
    offset = written.map({zone: _seconds(zone) for zone in written.unique()}).to_numpy(np.int64)
    nanoseconds = _as_nanoseconds(pd.DatetimeIndex(parsed), where)
    return np.asarray(nanoseconds - offset * 1_000_000_000, dtype=np.int64)


def _joined(frame: pd.DataFrame, columns: list[str]) -> pd.Series:
    """Return the parts of a time as one ISO text."""
    texts = [frame[name].astype(str).str.strip() for name in columns]
    if len(columns) == 2:
        return texts[0] + "T" + texts[1].str.zfill(2) + ":00"
    marks = ("", "-", "-", "T", ":", ":")
    joined = texts[0].str.zfill(4)
    for mark, text in zip(marks[1:], texts[1:], strict=False):
        joined = joined + mark + text.str.zfill(2)
    return joined + ":00" if len(columns) == 4 else joined


def _seconds(zone: str) -> int:
    if zone in ("", "Z", "UTC"):
        return 0
    digits = zone[1:].replace(":", "")
    return int(zone[0] + "1") * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def _utc(stamps: pd.DatetimeIndex, where: str, source: Tables) -> NDArray[np.int64]:
    if stamps.hasnans:
        raise UserError(f"{where} has rows without a time: mend or remove them.")
    zone = "UTC" if source.zone == "as_written" else source.zone
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UserError(
            f"'zone: {zone}' is no time zone: write one such as Asia/Shanghai, or UTC."
        ) from error
    try:
        aware = stamps if stamps.tz is not None else stamps.tz_localize(zone)
    except Exception as error:  # of the zone data base, each kind of its own
        raise UserError(
            f"{where}: its times are none of the zone '{source.zone}' ({error}): when the clock "
            "changes an hour is there twice or not at all; give times in UTC."
        ) from error
    return _as_nanoseconds(aware.tz_convert("UTC"), where)


def _as_nanoseconds(stamps: pd.DatetimeIndex, where: str) -> NDArray[np.int64]:
    try:
        return np.asarray(stamps.as_unit("ns").asi8)
    except pd.errors.OutOfBoundsDatetime as error:
        odd = stamps[(stamps.year < 1678) | (stamps.year > 2261)][0]
        raise UserError(f"{where} has the time {odd}, beyond 1678 to 2261: correct it.") from error


def _refuse_bad(bad: NDArray[np.bool_], text: pd.Series, where: str) -> None:
    if bad.any():
        at = int(np.argmax(bad))
        raise UserError(
            f"{where}, line {text.index[at]}: '{text.iloc[at]}' is no "
            "time: set 'time' or 'time_format'."
        )
