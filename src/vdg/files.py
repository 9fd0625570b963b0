"""Atomic file writes whose bytes depend only on the content.

Arrays are stored as safetensors: no pickle, memory-mapped, byte-stable (no time, no host name).
Byte stability matters because DVC compares outputs by hash to decide which stages to run again.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.numpy

from vdg.errors import InputError
from vdg.large_arrays import Stored, open_binary

WAITING = Path(".scratch", "tmp")
"""Folder of incomplete files in a repository. Beside its target, the temporary file of a killed
process would become part of a folder that DVC hashes."""
DAMAGED = (ValueError, RecursionError, TypeError, AttributeError)
STREAMED = {np.dtype(kind): code for kind, code in (("u1", "U8"), ("i2", "I16"), ("i4", "I32"))}
"""safetensors' names of the types that `Rows` and the arrays beside them may have."""
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS}


@dataclass(frozen=True)
class Rows:
    """An array that is made row by row while its file is written, so that it may exceed the memory.

    shape: of the whole array, (N, ...). make: returns its N rows, in order.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    make: Callable[[], Iterable[np.ndarray]]

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter(self.make())


@contextlib.contextmanager
def replacing(path):
    """Yield a temporary path; move it to `path` if the block ends without an error.

    A crash, a full disk or Ctrl-C leaves the old file (or none), never an incomplete one.
    Raises InputError if writing fails; other errors of the block, such as read errors, pass
    unchanged.
    """
    path, temporary = Path(path), None
    try:
        with _writing(path):
            _make_parent(path)
            if path.is_dir():
                raise OSError(errno.EISDIR, os.strerror(errno.EISDIR))
            waiting = _waiting(path)
            handle, temporary = tempfile.mkstemp(dir=waiting.parent, prefix=f"{waiting.name}.")
            os.close(handle)
        with _writing(path, temporary):
            yield Path(temporary)
        with _writing(path):
            os.chmod(temporary, 0o644)  # mkstemp's 0600 is unreadable in a team's shared cache
            _flush(temporary)
            _move(temporary, path)
    finally:
        if temporary is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


@contextlib.contextmanager
def replacing_folder(folder):
    """Yield a new folder; it replaces `folder` if the block ends without an error.

    An error leaves the previous content unchanged. If the process is killed between the two
    renames, the next call restores the previous content.
    """
    folder = Path(folder)
    with _writing(folder):
        _make_parent(folder)
        waiting = _waiting(folder)
        new, old = (waiting.with_name(f"{waiting.name}.{end}") for end in ("new", "old"))
        if old.exists() and not folder.exists():
            _move(old, folder)
        _remove(new, old)  # remains of a killed process
        new.mkdir()
    try:
        yield new
        with _writing(folder):
            _swap(new, folder, old)
    finally:
        _remove(new)


def require_outside(output: Path, folder: Path, option: str) -> None:
    """Raise InputError if `output` is to lie in `folder`, which is read: its next reader would take
    what is written for data. option: that gives the folder, for the message."""
    if folder.is_dir():
        for above in (path for path in output.absolute().parents if path.exists()):
            if above.samefile(folder):
                raise InputError(
                    f"{output} lies in {folder}, which {option} reads: choose an --output elsewhere"
                )


def _make_parent(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from error


def _swap(new: Path, folder: Path, old: Path) -> None:
    """Replace `folder` by `new`; keep `folder` as `old` until that has succeeded."""
    if folder.exists():
        _move(folder, old)
    try:
        _move(new, folder)
    except OSError:
        if old.exists():
            _move(old, folder)
        raise
    _remove(old)


def _waiting(path: Path) -> Path:
    """Prefix of the temporary paths for a file or folder, on the same disk as `path`.

    Paths outside the repository, on another disk, or in .scratch stay beside their target instead
    of in WAITING. In .scratch, a finished run deletes its checkpoints with all files beside them.
    """
    root, folder = Path(os.environ.get("DVC_ROOT", ".")).resolve(), path.parent.resolve()
    room = root / WAITING
    beside = path.with_name(f".{path.name}")
    inside = folder.is_relative_to(root) and not folder.is_relative_to(room.parent)
    if not (inside and (root / ".dvc").is_dir()):
        return beside
    with contextlib.suppress(OSError):
        room.mkdir(parents=True, exist_ok=True)
        if os.access(room, os.W_OK) and room.stat().st_dev == folder.stat().st_dev:
            key = hashlib.sha256(os.fsencode(folder / path.name)).hexdigest()[:8]
            return room / f"{key}-{path.name}"
    return beside


def _move(source, target) -> None:
    """Move a file or folder atomically, also between two mounts of one disk."""
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        beside = Path(target).with_name(f".{Path(target).name}.moving")
        _remove(beside)
        try:
            shutil.move(source, beside)
            os.replace(beside, target)
        finally:
            _remove(beside)


def _remove(*paths: Path) -> None:
    for path in paths:
        if path.is_symlink() or path.is_file():
            path.unlink()
        shutil.rmtree(path, ignore_errors=True)


def _flush(path) -> None:
    """Flush a file to the disk, so that a full disk raises before the rename."""
    with open(path, "rb") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def _writing(path, temporary: str | None = None):
    """Convert the OSErrors of a block that writes `path` to InputError.

    temporary: the written file, in a block that may also read other files, whose errors pass.
    """
    try:
        yield
    except OSError as error:
        ours = temporary is None or error.errno in NO_ROOM or error.filename == temporary
        if not ours:
            raise
        reason = error.strerror or error
        raise InputError(f"cannot write {path}: {reason}; nothing was changed") from error


def write_bytes(path, data: bytes) -> None:
    """Write `data` to `path` atomically."""
    write_all({path: data})


def write_all(contents: dict[Path | str, bytes]) -> None:
    """Write several files, each atomically; all are written before the first is put in place."""
    with contextlib.ExitStack() as moves:
        for path, data in contents.items():
            temporary = moves.enter_context(replacing(path))
            with _writing(path):
                temporary.write_bytes(data)
                _flush(temporary)


def write_json(path, value) -> None:
    """Write `value` as indented JSON with sorted keys."""
    write_bytes(path, json_bytes(value))


def json_bytes(value) -> bytes:
    """The bytes that `write_json` writes."""
    return (json.dumps(value, indent=2, sort_keys=True) + "\n").encode()


def read_json(path):
    """Read a JSON file that an earlier stage wrote."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON ({error}): delete it and run again") from error


def write_arrays(path, arrays: dict[str, np.ndarray | Rows], meta: dict | None = None) -> None:
    """Write named numpy arrays and JSON-able metadata as one safetensors file.

    With `Rows` among them, all arrays have a type in STREAMED; the bytes are the same.
    """
    # one metadata key, because safetensors does not keep the order of several
    metadata = {"vdg": json.dumps(meta or {}, sort_keys=True, separators=(",", ":"))}
    streamed = any(isinstance(array, Rows) for array in arrays.values())
    with replacing(path) as temporary:
        if streamed:
            _write_rows(temporary, arrays, metadata)
            return
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        with _writing(path):
            try:
                safetensors.numpy.save_file(whole, temporary, metadata=metadata)
            except safetensors.SafetensorError as error:
                raise OSError(0, str(error)) from error


def _write_rows(path: Path, arrays: dict[str, np.ndarray | Rows], metadata: dict) -> None:
    """As safetensors.numpy.save_file, which needs all data at once. Layout: the format's README."""
    # as the library orders them: wide numbers first, which aligns all, then by name
    ordered = sorted(arrays.items(), key=lambda item: (-np.dtype(item[1].dtype).itemsize, item[0]))
    header, end = {"__metadata__": metadata}, 0
    for name, array in ordered:
        dtype = np.dtype(array.dtype)
        start, end = end, end + math.prod(array.shape) * dtype.itemsize
        about = {"dtype": STREAMED[dtype], "shape": list(array.shape), "data_offsets": [start, end]}
        header[name] = about
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, array in ordered:
            for row in array:
                file.write(np.ascontiguousarray(row, array.dtype).data)
        if file.tell() != 8 + len(text) + end:
            raise ValueError("the rows are not of the shape that they were announced with")


def read_arrays(path, framework: str = "np"):
    """Read a file of `write_arrays`.

    framework: "np" returns numpy arrays, "pt" torch tensors.

    Returns (arrays by name, metadata). Raises InputError for a missing or damaged file.
    """
    with _opened(path, framework) as file:
        return {name: file.get_tensor(name) for name in file.keys()}, _meta(file)  # noqa: SIM118


def open_arrays(path) -> tuple[dict[str, Stored], dict]:
    """Read the metadata of a file of `write_arrays`, and open its arrays of a type in STREAMED.

    Raises InputError for a missing or damaged file.
    """
    with _opened(path, "np") as file:  # which checks the header and the file's length
        meta = _meta(file)
    data = open_binary(path)
    length = int.from_bytes(data.read(8), "little")
    header = json.loads(data.read(length))
    kinds = {code: dtype for dtype, code in STREAMED.items()}
    arrays = {
        name: Stored(data, 8 + length + about["data_offsets"][0], about["shape"], kinds[kind])
        for name, about in header.items()
        if (kind := about.get("dtype")) in kinds
    }
    return arrays, meta


def read_meta(path) -> dict:
    """Read the metadata of a file of `write_arrays` without its arrays."""
    with _opened(path, "np") as file:
        return _meta(file)


@contextlib.contextmanager
def _opened(path, framework: str):
    if not Path(path).is_file():
        raise InputError(f"{path} is missing: run the stage that writes it (dvc repro)")
    try:
        with safetensors.safe_open(path, framework=framework) as file:
            yield file
    except PermissionError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    # TypeError, AttributeError: a data type unknown to the framework
    except (safetensors.SafetensorError, OSError, *DAMAGED) as error:
        raise InputError(
            f"{path} is damaged ({error}): delete it and run the stage that writes it again"
        ) from error


def _meta(file) -> dict:
    meta = json.loads((file.metadata() or {}).get("vdg", "{}"))
    if not isinstance(meta, dict):
        raise ValueError("its metadata is no mapping")
    return meta


def sha256(path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
