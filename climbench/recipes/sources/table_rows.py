"""Reading tables a block of rows at a time: CSV, gzipped or not, and Parquet."""

import csv
import gzip
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError, nearest
from climbench.recipes.schema.tables import Packed, Tables

BLOCK = 200_000  # rows that are held at a time
ABSENT = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
PARTS = ("year", "month", "day", "hour", "minute", "second")
COMPASS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()
ZONE = re.compile(r"(?<=\d)\s*(Z|UTC|[+-]\d\d:?\d\d)$")


def blocks(path: Path, where: str, source: Tables) -> Iterator[pd.DataFrame]:
    """Yield the rows of each block, as text or numbers, indexed by their lines in the file.

    Raises
    ------
    UserError
        If the file is empty or no table.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise UserError(f"{where} is empty: fetch it again, or leave it out.")
    if start == b"PAR1":
        yield from _parquet(path, where)
        return
    above = source.skip_rows + (source.names is None) + source.units_row
    first = above + 1
    open_ended = False
    try:
        with _text(path, start) as file:
            for _ in range(source.skip_rows):
                file.readline()
            names = source.names or _header(file, where, source)
            if source.units_row:
                file.readline()
            options: dict[str, Any] = {"sep": _separator(path, start, source), "names": names}
            options |= {"dtype": str, "keep_default_na": False, "index_col": False}
            reader = pd.read_csv(file, chunksize=BLOCK, skip_blank_lines=False, **options)
            while (frame := _next(reader)) is not None:
                frame.index = pd.RangeIndex(first, first + len(frame))
                first += len(frame)
                frame = frame[(frame.notna() & (frame != "")).any(axis=1)]
                open_ended = open_ended or bool(frame.iloc[:, -1].isin(["", np.nan]).any())
                yield frame
        if open_ended:
            _refuse_short(path, start, where, source, len(names))
    except pd.errors.ParserWarning as error:
        raise UserError(
            f"{where} has rows with more fields than columns: mend the header."
        ) from error
    except pd.errors.EmptyDataError as error:
        raise UserError(f"{where} has a header and no rows: leave it out.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{where} is no text in UTF-8: fetch it again, or convert it.") from error
    except (pd.errors.ParserError, OSError, csv.Error) as error:
        raise UserError(f"{where} is no table: {_in_words(error, above)}.") from error


def _in_words(error: Exception, above: int) -> str:
    """Return what the parser noticed, with the line of the file; it saw none of those above."""
    said = str(error)
    if wide := re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", said):
        return (
            f"line {int(wide[2]) + above} has {wide[3]} fields and there are {wide[1]} columns: "
            "mend the line"
        )
    if quote := re.search(r"EOF inside string starting at row (\d+)", said):
        return f"a quoted text that begins in line {int(quote[1]) + above + 1} does not end"
    return f"{said.strip().rstrip('.')}: fetch it again"


def _next(reader: Iterator[pd.DataFrame]) -> pd.DataFrame | None:
    """Return the next rows; more fields than columns are an error, not lost."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)
        return next(reader, None)


def _refuse_short(path: Path, start: bytes, where: str, source: Tables, columns: int) -> None:
    """Refuse lines with fewer fields than columns, which pandas fills: such as a last one cut.

    Lines with quoted fields, in which a separator may stand for itself, are left out.
    """
    separator = _separator(path, start, source)
    above = source.skip_rows + (source.names is None) + source.units_row
    with _text(path, start) as file:
        for number, line in enumerate(file, 1):
            short = number > above and line.count(separator) < columns - 1
            if short and len(separator) == 1 and '"' not in line and line.strip():
                raise UserError(
                    f"{where}, line {number}: it has fewer fields than there are columns: mend the "
                    "line, or fetch the file again."
                )


def _parquet(path: Path, where: str) -> Iterator[pd.DataFrame]:
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-untyped]
    except ImportError as error:
        raise UserError(
            f"{where}: reading Parquet needs `pip install climbench[tables]`."
        ) from error
    row = 1
    try:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BLOCK):
                frame = batch.to_pandas()
                frame = frame.reset_index() if frame.index.name else frame
                frame.index = pd.RangeIndex(row, row + len(frame))
                row += len(frame)
                yield frame
    except (ArrowException, OSError) as error:
        raise UserError(f"{where} is damaged: fetch it again.") from error


def _text(path: Path, start: bytes) -> TextIO:
    if start[:2] == b"\x1f\x8b":
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return path.open(encoding="utf-8-sig", newline="")


def _separator(path: Path, start: bytes, source: Tables) -> str:
    """Return what stands most often in the first line of comma, semicolon, tab and bar."""
    if source.separator is not None:
        return source.separator
    with _text(path, start) as file:
        for _ in range(source.skip_rows):
            file.readline()
        line = file.readline()
    line = re.sub(r'"[^"]*"', "", line)
    return max(";\t|,", key=line.count)


def _header(file: TextIO, where: str, source: Tables) -> list[str]:
    line = file.readline()
    if not line.strip():
        raise UserError(f"{where} has no header: say 'names' of its columns, or 'skip_rows'.")
    plain = re.sub(r'"[^"]*"', "", line)
    separator = source.separator or max(";\t|,", key=plain.count)
    names = [name.strip() for name in next(csv.reader([line.rstrip("\r\n")], delimiter=separator))]
    again = [name for name in names if names.count(name) > 1]
    if again:
        raise UserError(f"{where} has the column '{again[0]}' twice: give them 'names'.")
    if all(_is_value(name) for name in names):
        raise UserError(
            f"{where} has no header: its first line '{line.strip()[:40]}' are values; say 'names' "
            "of its columns."
        )
    return names


def _is_value(text: str) -> bool:
    """Tell whether a text is a number or begins with a date, as no name of a column does."""
    try:
        float(text)
    except ValueError:
        return re.match(r"\d{1,4}([-/.])\d{1,2}\1\d{1,4}", text) is not None
    return True


def units_of(path: Path, where: str, source: Tables) -> dict[str, str]:
    """Return the units below the header, by column."""
    if not source.units_row:
        return {}
    with path.open("rb") as file:
        start = file.read(4)
    with _text(path, start) as file:
        for _ in range(source.skip_rows):
            file.readline()
        names = source.names or _header(file, where, source)
        separator = _separator(path, start, source)
        row = next(csv.reader([file.readline().rstrip("\r\n")], delimiter=separator), [])
    texts = [text.strip().strip("[]()") for text in row]
    return {name: unit for name, unit in zip(names, texts, strict=False) if unit}


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
        _refuse_bad(np.isnan(seconds), raw, where)
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


def numbers(frame: pd.DataFrame, column: str, where: str, source: Tables) -> NDArray[np.float32]:
    """Return a column as numbers, NaN where it is missing.

    Raises
    ------
    UserError
        If it holds text.
    """
    raw = frame[column]
    if raw.dtype.kind in "fiub":
        return _single(raw, raw.to_numpy(np.float64, copy=True), column, where, source)
    if column in source.compass:
        degrees = {name: 22.5 * position for position, name in enumerate(COMPASS)}
        values = raw.map(degrees).to_numpy(np.float64, copy=True)
    else:
        text = raw
        if source.decimal == ",":
            text = raw.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        values = pd.to_numeric(text, errors="coerce").to_numpy(np.float64, copy=True)
    values[np.isinf(values)] = np.nan  # the texts 'inf' and '1e400'
    words = raw[np.isnan(values)].fillna("").astype(str).str.strip()
    known = {*ABSENT, *(one for one in source.missing if isinstance(one, str))}
    bad = words[~words.isin(known)]
    if len(bad):
        raise UserError(
            f"{where}, line {bad.index[0]}: column '{column}' holds the text '{bad.iloc[0]}': "
            "leave it out with 'drop', or add the text to 'missing'."
        )
    return _single(raw, values, column, where, source)


def _single(
    raw: pd.Series, values: NDArray[np.floating], column: str, where: str, source: Tables
) -> NDArray[np.float32]:
    """Return numbers in single precision, the sentinels missing; none may be beyond it."""
    values[np.isin(values, _sentinels(source))] = np.nan
    beyond = raw[np.abs(values) > np.finfo(np.float32).max]
    if len(beyond):
        raise UserError(
            f"{where}, line {beyond.index[0]}: column '{column}' holds {beyond.iloc[0]}, too large "
            "for float32: mend the table, or add the number to 'missing'."
        )
    return values.astype(np.float32)


def _sentinels(source: Tables) -> list[float]:
    return [one for one in source.missing if isinstance(one, float | int)]


def unpacked(frame: pd.DataFrame, packed: Packed, where: str) -> NDArray[np.float32]:
    """Return one number of a column of several, NaN where it is missing or of bad quality."""
    if packed.column not in frame:  # of a station that never measures it
        return np.full(len(frame), np.nan, np.float32)
    parts = frame[packed.column].fillna("").astype(str).str.split(",", expand=True)
    if packed.part not in parts:
        return np.full(len(frame), np.nan, np.float32)
    number = parts[packed.part].fillna("").str.strip()
    values = pd.to_numeric(number, errors="coerce").to_numpy(np.float64, copy=True)
    if np.any(np.isnan(values) & number.ne("").to_numpy()):
        bad = number[np.isnan(values) & number.ne("").to_numpy()].iloc[0]
        raise UserError(f"{where}: part {packed.part} of '{packed.column}' is '{bad}', no number.")
    if packed.missing is not None:
        values[values == packed.missing] = np.nan
    if packed.quality is not None and packed.quality in parts:
        values[~parts[packed.quality].isin(packed.good).to_numpy()] = np.nan
    return (values / packed.scale).astype(np.float32)
