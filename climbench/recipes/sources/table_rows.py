"""Reading tables a block of rows at a time: CSV, gzipped or not, and Parquet."""

import csv
import gzip
import re
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from climbench.errors import UserError
from climbench.recipes.schema.tables import Packed, Tables

GZIP = b"\x1f\x8b"
PAGES = (b"<!doctype", b"<html", b"<?xml")
BLOCK = 200_000  # rows that are held at a time
GROUPED = r"\s*[-+]?[1-9]\d{0,2}([.]\d{3})+(,\d*)?\s*"  # 1.234,5 where commas are decimal
ABSENT = ("", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
COMPASS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()


def blocks(path: Path, where: str, source: Tables) -> Iterator[pd.DataFrame]:
    """Yield the rows of each block, as text or numbers, indexed by their lines in the file.

    Raises
    ------
    UserError
        If the file is empty or no table.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"PAR1":
        yield from _parquet(path, where)
        return
    above = source.skip_rows + (source.names is None) + source.units_row
    first = above + 1
    open_ended = False
    try:
        _refuse_other(path, start, where)
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
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise UserError(f"{where} is a damaged gzip file: fetch it again.") from error
    except (pd.errors.ParserError, OSError, csv.Error) as error:
        raise UserError(f"{where} is no table: {_in_words(error, above)}.") from error


def _refuse_other(path: Path, start: bytes, where: str) -> None:
    """Refuse what is no text, or the page that a server has sent in place of a table."""
    with gzip.open(path) if start[:2] == GZIP else path.open("rb") as file:
        begin = file.read(1024)
    if not begin:
        raise UserError(f"{where} is empty: fetch it again, or leave it out.")
    if b"\0" in begin:  # bytes of numbers, or UTF-16
        raise UserError(f"{where} is no text in UTF-8: fetch it again, or convert it.")
    if begin.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGES):
        raise UserError(
            f"{where} is a web page and no table: correct the address, or fetch it again."
        )


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
    if start[:2] == GZIP:
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
            grouped = raw.str.fullmatch(GROUPED, na=False)  # else 10.5 would become 105
            text = raw.where(grouped | ~raw.str.contains(".", regex=False, na=False), "no number")
            text = text.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        values = pd.to_numeric(text, errors="coerce").to_numpy(np.float64, copy=True)
    values[np.isinf(values)] = np.nan  # the texts 'inf' and '1e400'
    words = raw[np.isnan(values)].fillna("").astype(str).str.strip()
    known = {*ABSENT, *(one for one in source.missing if isinstance(one, str))}
    bad = words[~words.isin(known)]
    if len(bad):
        raise UserError(
            f"{where}, line {bad.index[0]}: column '{column}' holds the text '{bad.iloc[0]}': "
            f"{_mend(bad.iloc[0], column, source)}."
        )
    return _single(raw, values, column, where, source)


def _mend(text: str, column: str, source: Tables) -> str:
    """Return what a user can do about a text among numbers."""
    if source.decimal == "." and re.fullmatch(r"[-+]?[\d.]*\d,\d+", text):
        return "of decimal commas say 'decimal: \",\"' in the source"
    if source.decimal == "," and re.fullmatch(r"[-+]?\d*\.\d+", text):
        return "of decimal points leave out 'decimal'"
    if source.stations and column in (source.stations.place_columns or ()):
        return "write degrees north and east as numbers, or give 'stations.places'"
    return "leave it out with 'drop', or add the text to 'missing'"


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
