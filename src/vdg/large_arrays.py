"""Arrays that may exceed the memory: read from a file, or made, when they are indexed.

All have `shape` and are indexed along their first axis, by a position, a slice or positions, as
numpy arrays are; the result is a numpy array in memory.
"""

import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np

from vdg.errors import InputError

Which = int | slice | Sequence[int] | np.ndarray
CHUNK = 256
"""Rows that are read at once where all are."""


class Array(Protocol):
    """What these classes and numpy's arrays have in common."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, which: Which) -> np.ndarray: ...


class Computed:
    """An array whose rows a function makes. make: positions (K,) -> the rows at them, (K, ...)."""

    def __init__(self, shape: tuple[int, ...], make: Callable[[np.ndarray], np.ndarray]):
        self.shape, self._make = tuple(shape), make

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, which: Which) -> np.ndarray:
        rows = np.arange(len(self))[which]
        return self._make(rows) if rows.ndim else self._make(rows[None])[0]


def taken(array: Array, positions: np.ndarray) -> Computed:
    """`array[positions]`, which reads only what is indexed of it."""
    return Computed((len(positions), *array.shape[1:]), lambda which: array[positions[which]])


class Stored(Computed):
    """An array in a file, from `offset` on. Only what is indexed is read.

    It is not mapped, because mapped pages stay, and count as memory of this process.
    """

    def __init__(self, file: BinaryIO, offset: int, shape: tuple[int, ...], dtype):
        super().__init__(shape, self._rows)
        self.dtype = np.dtype(dtype)
        self._file, self._offset = file, offset
        self._size = int(np.prod(shape[1:])) * self.dtype.itemsize  # bytes of a row

    def _rows(self, rows: np.ndarray) -> np.ndarray:
        array = np.empty((len(rows), *self.shape[1:]), self.dtype)
        place, data = 0, memoryview(array.reshape(-1).view(np.uint8))
        # neighbours in one read
        for run in np.split(rows, np.flatnonzero(np.diff(rows) != 1) + 1):
            end = place + len(run) * self._size
            self._read(data[place:end], int(run[0]) if len(run) else 0)
            place = end
        return array

    def _read(self, data: memoryview, first: int) -> None:
        start, got = self._offset + first * self._size, 0
        while got < len(data):  # the system may give less than asked for
            piece = os.pread(self._file.fileno(), len(data) - got, start + got)
            if not piece:
                raise InputError(f"{self._file.name} is shorter than it was: make it again")
            data[got : got + len(piece)] = piece
            got += len(piece)


class Spool:
    """Bytes in a temporary file without a name, which is gone when the process is.

    In TMPDIR, or in /var/tmp, because many systems keep /tmp in memory.
    """

    def __init__(self):
        writable = os.access("/var/tmp", os.W_OK)
        self.folder = os.environ.get("TMPDIR") or ("/var/tmp" if writable else None)
        self.file = tempfile.TemporaryFile(dir=self.folder)  # noqa: SIM115, of the process
        self.size = 0

    def add(self, array: np.ndarray) -> int:
        """Append an array. Returns its offset. Raises InputError if the disk is full."""
        offset, data = self.size, np.ascontiguousarray(array).data
        try:
            self.file.write(data)
            self.file.flush()
        except OSError as error:
            raise InputError(
                f"cannot write a temporary file in {self.folder or tempfile.gettempdir()}: "
                f"{error.strerror}; set TMPDIR to a folder with room"
            ) from error
        self.size += data.nbytes
        return offset

    def keep(self, array: np.ndarray) -> Stored:
        """Append an array, to be read from the file. Raises InputError as `add` does."""
        return Stored(self.file, self.add(array), array.shape, array.dtype)


def spooled(parts: Iterable[np.ndarray]) -> Stored:
    """Arrays (K, ...) of one type and shape, one after the other, kept in a temporary file."""
    spool, count = Spool(), 0
    for part in parts:
        spool.add(part)
        count += len(part)
    return Stored(spool.file, 0, (count, *part.shape[1:]), part.dtype)


def bits(masks: np.ndarray) -> np.ndarray:
    """bool (N, H, W) -> a bit per pixel, uint8 (N, ceil(H * W / 8))."""
    return np.packbits(masks.reshape(len(masks), -1), axis=1)


def masks_of(packed: Array, height: int, width: int) -> Computed:
    """The inverse of `bits`, when it is indexed: bool (N, H, W)."""

    def unpack(which: np.ndarray) -> np.ndarray:
        flat = np.unpackbits(packed[which], axis=1, count=height * width)
        return flat.view(bool).reshape(-1, height, width)

    return Computed((len(packed), height, width), unpack)


def open_binary(path: Path) -> BinaryIO:
    """Open a file for `Stored`, which keeps it open. Raises InputError."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
