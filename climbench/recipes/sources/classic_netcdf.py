"""How long a NetCDF 3 file must be: the NetCDF library reads what was cut off as zeros."""

import math
from pathlib import Path
from typing import BinaryIO

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}  # bytes by nc_type
STREAMING = {4: 2**32 - 1, 8: 2**64 - 1}  # number of records that the writer did not know


def classic_length(path: Path) -> int:
    """Return the least number of bytes that the header of a NetCDF 3 file promises.

    Parameters
    ----------
    path
        A file in the classic, 64-bit offset or 64-bit data format.

    Raises
    ------
    ValueError
        If the header itself is cut or damaged.

    References
    ----------
    Unidata, NetCDF Classic and 64-bit Offset Format Specification (CDF-1, 2 and 5).
    """
    with path.open("rb") as file:
        return _Header(file, path.stat().st_size).length()


class _Header:
    """A reader of the header, from its first byte to its last."""

    def __init__(self, file: BinaryIO, available: int) -> None:
        self.file = file
        self.available = available
        magic = file.read(4)
        if magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
            raise ValueError("no NetCDF 3 header")
        self.count_bytes = 8 if magic[3] == 5 else 4
        self.offset_bytes = 4 if magic[3] == 1 else 8

    def length(self) -> int:
        records = self._count()
        if records == STREAMING[self.count_bytes]:
            records = 0
        dimensions = [self._dimension() for _ in range(self._list())]
        self._attributes()
        variables = [self._variable(dimensions) for _ in range(self._list())]
        strides = [_padded(size) for size, _, varies in variables if varies]
        record = sum(strides)
        if len(strides) == 1:  # a lone record variable is not padded
            record = next(size for size, _, varies in variables if varies)
        ends = [self.file.tell()]
        for size, begin, varies in variables:
            if not varies:
                ends.append(begin + size)
            elif records:
                ends.append(begin + (records - 1) * record + size)
        return max(ends)

    def _bytes(self, count: int) -> bytes:
        if count > self.available:
            raise ValueError("a length in the header is beyond the end of the file")
        content = self.file.read(count)
        if len(content) < count:
            raise ValueError("the header is cut")
        return content

    def _integer(self, size: int) -> int:
        return int.from_bytes(self._bytes(size), "big")

    def _count(self) -> int:
        return self._integer(self.count_bytes)

    def _list(self) -> int:
        self._integer(4)  # tag: dimensions, attributes, variables or absent
        return self._count()

    def _name(self) -> None:
        self._bytes(_padded(self._count()))

    def _dimension(self) -> int:
        self._name()
        return self._count()

    def _type(self) -> int:
        kind = self._integer(4)
        if kind not in SIZES:
            raise ValueError(f"unknown type {kind}")
        return SIZES[kind]

    def _attributes(self) -> None:
        for _ in range(self._list()):
            self._name()
            size = self._type()
            self._bytes(_padded(self._count() * size))

    def _variable(self, dimensions: list[int]) -> tuple[int, int, bool]:
        """Return bytes (of one record), offset, and whether it grows with the records."""
        self._name()
        shape = [dimensions[self._count()] for _ in range(self._count())]
        self._attributes()
        size = self._type()
        self._count()  # the size as stored overflows in large files
        begin = self._integer(self.offset_bytes)
        varies = bool(shape) and shape[0] == 0
        return math.prod(shape[1:] if varies else shape) * size, begin, varies


def _padded(count: int) -> int:
    return -(-count // 4) * 4
