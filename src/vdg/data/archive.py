"""Read data sets in place from their distributed zip file or extracted folder."""

import contextlib
import io
import lzma
import os
import re
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import requests
from PIL import Image
from tqdm import tqdm

from vdg import files
from vdg.clutter import composed, is_clutter
from vdg.data.fitting import as_rgb
from vdg.decoding import opened, upright
from vdg.errors import InputError
from vdg.files import Rows

TIMEOUT = 60  # seconds without a byte after which a download fails
UNREADABLE = (OSError, ValueError, EOFError, NotImplementedError, zipfile.BadZipFile)
UNREADABLE += (zlib.error, lzma.LZMAError)
RESIZERS = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
"""Pillow's filters by name. To make an image smaller, all average over the source's pixels."""
LARGEST_MEMBER = 1 << 26  # bytes; images of the data sets have a few thousand


def locate(path: Path, *, url: str | None, sha256: str | None, help: str) -> Path:
    """Return `path`, a local archive or extracted folder; download it if it is missing.

    url: download address of the archive, used if `path` does not exist; requires `sha256`.
    sha256: expected hash of the archive in hexadecimal; a folder is not checked.
    help: instructions to get the data set manually; "{path}" is replaced by `path`.

    Raises InputError for a wrong hash, a failed download, or a missing path without `url`.
    """
    path = Path(path)
    if path.is_dir():
        return path
    if path.exists():
        if sha256:
            _verify(path, sha256, "get the archive again, or correct sha256")
        return path
    if not url:
        raise InputError(f"{path} does not exist: {help.replace('{path}', str(path))}")
    if not re.fullmatch("[0-9a-fA-F]{64}", sha256 or ""):
        raise InputError(f"sha256 is {sha256!r}: to download {url}, set it to 64 hex digits")
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _download(url, part)
        _verify(part, sha256, "correct sha256, or delete the file to download it again")
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"cannot write {part}: {error.strerror or error}") from error
    return path


def _verify(path, expected, remedy):
    try:
        found = files.sha256(path)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if found != expected.lower():
        raise InputError(f"{path} has sha256 {found}, expected {expected}: {remedy}")


def _download(url, part):
    """Download `url` to the partial file `part`, resuming after its bytes."""
    furthest = _size(part)
    while True:
        try:
            return _receive(url, part)
        except requests.HTTPError as error:
            raise InputError(f"cannot download: {error}; check the url") from error
        except (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        ) as error:
            if _size(part) <= furthest:  # no progress since the last attempt: give up
                raise InputError(
                    f"{url} broke off after {_size(part)} bytes ({error}); run again to resume"
                ) from error
            furthest = _size(part)
        except requests.RequestException as error:
            raise InputError(f"cannot download {url}: {error}; check the url") from error


def _receive(url, part, start=None):
    """Request the missing bytes of the partial file `part` once and append the response.

    start: first byte to request; None for the size of `part`.
    """
    start = _size(part) if start is None else start
    headers = {"Accept-Encoding": "identity"}  # no compression, so that byte ranges match the file
    if start:
        headers["Range"] = f"bytes={start}-"
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        sent = response.headers.get("Content-Range", "")
        if response.status_code == 416 and start:  # the file has no bytes beyond `start`
            if sent.endswith(f"/{start}"):
                return
            return _receive(url, part, 0)  # `part` is longer than the file: start again
        response.raise_for_status()
        resumed = response.status_code == 206 and sent.startswith(f"bytes {start}-")
        start = start if resumed else 0  # a server without Range support sends the whole file
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if re.fullmatch("[0-9]{1,18}", length) else None
        bar = tqdm(
            desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, disable=None
        )
        with bar, open(part, "ab" if resumed else "wb") as file:
            for chunk in response.iter_content(1 << 16):
                bar.update(file.write(chunk))


def _size(path):
    return path.stat().st_size if path.exists() else 0


class Archive:
    """The files of a zip archive or an extracted folder, read without extracting to disk.

    members: relative names with forward slashes, in composed Unicode (`composed`), sorted;
        operating systems' own files (`is_clutter`) are skipped.

    Raises InputError if the path is neither a folder nor a complete zip file, for folders that
    cannot be read, encrypted archives, duplicate names (also names that differ in their Unicode
    form alone), names with backslashes and names that point outside the archive.
    """

    def __init__(self, root: Path):
        self.root = Path(root)
        self._zip = None
        try:
            if self.root.is_dir():
                names = [(name, name) for name in map(self._relative, _walk(self.root))]
            else:
                self._zip = zipfile.ZipFile(self.root)
                names = [(info.filename, self._checked(info)) for info in self._zip.infolist()]
        except UNREADABLE as error:
            message = f"{self.root} is not a whole zip file or a folder ({error}): get it again"
            raise InputError(message) from error
        self._stored: dict[str, str] = {}  # the name in the folder or zip file, by member
        for stored, name in names:
            member = composed(name)
            if is_clutter(member) or member.endswith("/"):  # zip files have entries of folders
                continue
            if member in self._stored:
                raise InputError(
                    f"{self.root} holds {member} twice: {self._remedy(member, stored)}"
                )
            self._stored[member] = stored
        self.members = sorted(self._stored)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._zip is not None:
            self._zip.close()

    def _remedy(self, member: str, stored: str) -> str:
        if stored == self._stored[member]:
            return "get the archive again"
        return "two names differ in their Unicode form alone (NFC and NFD): rename or remove one"

    def _relative(self, path):
        if path.is_symlink() and path.is_dir():  # may be a loop; linked files are fine
            raise InputError(f"{path} is a link to a folder: put the folder itself there")
        if not path.is_file():  # reading a pipe would block forever
            raise InputError(f"{path} is no file: remove it")
        return path.relative_to(self.root).as_posix()

    def _checked(self, info):
        """The name of a zip entry that may be read, as its writer meant it. Raises InputError."""
        name = _decoded(info)
        link = stat.S_ISLNK(info.external_attr >> 16)
        if "\\" in name:  # some Windows programs write them, against the zip format
            raise InputError(
                f"{self.root}: entry {name!r} has backslashes: zip it again with forward slashes"
            )
        if link or name.startswith("/") or ".." in name.split("/"):
            what = "is a symbolic link" if link else "points outside of the archive"
            raise InputError(f"{self.root}: entry {name!r} {what}: get the archive again")
        if info.flag_bits & 1:
            raise InputError(
                f"{self.root}: {name} is encrypted: unpack the archive with the password that"
                " the data set's authors give and set the path to the folder"
            )
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # zipfile decompresses other methods at once, without a limit on the size
            raise InputError(
                f"{self.root}: {name} is not deflated but compressed by method"
                f" {info.compress_type}: unpack the archive and set the path to the folder"
            )
        return name

    def found(self) -> str:
        """A short summary of the contents, for error messages."""
        folders = sorted({name.rpartition("/")[0] or name for name in self.members})
        return ", ".join(folders[:3]) + (", ..." if folders[3:] else "") or "nothing"

    def image(
        self,
        member: str,
        height: int,
        width: int,
        resize: str | None = None,
        max_stretch: float | None = None,
    ) -> np.ndarray:
        """Decode a JPEG or PNG and apply its EXIF orientation: uint8, (height, width, 3), RGB.

        resize: a filter of RESIZERS for images of another size, which are stretched to height x
            width; None refuses them. max_stretch: the largest factor by which the ratio of the
            sides may change.

        Raises InputError if it cannot be read or decoded, has another mode, or another size that is
        not to be resized.
        """
        where = f"{self.root}: {member}"
        with opened(io.BytesIO(self._read(member)), where, ("JPEG", "PNG")) as picture:
            turned = upright(picture, where)
            fits = turned.size == (width, height)
            if picture.mode != "RGB" or not (fits or resize):
                others = ": to take other sizes, set source.resize to " + ", ".join(RESIZERS)
                raise InputError(
                    f"{where} is {picture.mode}, {turned.height} high, {turned.width} wide;"
                    f" expected RGB, {height} high, {width} wide"
                    + (others if picture.mode == "RGB" else "")
                )
            if not fits:
                _check_stretch(turned, (height, width), max_stretch, where)
                turned = turned.resize((width, height), RESIZERS[resize])
            return np.asarray(turned)

    def picture(self, member: str) -> Image.Image:
        """Decode an image of any supported format, mode and size, as RGB. Raises InputError."""
        where = f"{self.root}: {member}"
        with opened(io.BytesIO(self._read(member)), where) as picture:
            return as_rgb(picture, where)

    def _read(self, member):
        """The bytes of a member. Raises InputError above LARGEST_MEMBER, against zip bombs."""
        where = f"{self.root}: {member}"
        try:
            stored = self._stored[member]
            with self._zip.open(stored) if self._zip else open(self.root / stored, "rb") as file:
                data = file.read(LARGEST_MEMBER + 1)
        except UNREADABLE as error:
            raise InputError(f"{where} is corrupt ({error}): get the archive again") from error
        if len(data) > LARGEST_MEMBER:
            raise InputError(f"{where} has more than {LARGEST_MEMBER >> 20} MiB: no such image")
        return data

    def images(
        self, members: Sequence[str], height: int, width: int, what: str, **resizing
    ) -> Rows:
        """`members`, decoded one by one, with a progress bar named `what`: uint8, (N, H, W, 3).

        resizing: `resize` and `max_stretch` of `image`.
        """

        def rows():
            for member in tqdm(members, desc=what, unit="image", disable=None):
                yield self.image(member, height, width, **resizing)

        return Rows((len(members), height, width, 3), np.dtype(np.uint8), rows)


def _walk(root):
    for folder, folders, names in os.walk(root, onerror=_refuse):
        # in place, so that os.walk does not enter them
        folders[:] = [name for name in folders if not is_clutter(f"{name}/")]
        for name in names + [name for name in folders if (Path(folder) / name).is_symlink()]:
            yield Path(folder) / name


def _check_stretch(image: Image.Image, size, most: float | None, where: str) -> None:
    """Raise InputError if resizing to `size` (H, W) changes the ratio of the sides too much."""
    ratio = image.width * size[0] / (image.height * size[1])
    if most is not None and max(ratio, 1 / ratio) > most:
        raise InputError(
            f"{where} is {image.height} high, {image.width} wide: resized to {size[0]} high, "
            f"{size[1]} wide, margins included, people would be {max(ratio, 1 / ratio):.2f} times "
            f"too {'narrow' if ratio > 1 else 'wide'}: correct height, width or source.margin"
        )


def _refuse(error):
    """Raise an error that os.walk would skip, together with the folder's images."""
    raise InputError(
        f"cannot read the folder {error.filename}: {error.strerror}; make it readable"
    ) from error


def _decoded(info: zipfile.ZipInfo) -> str:
    """The name of a zip entry. Python reads names without the flag of UTF-8 as code page 437, but
    macOS's Finder writes UTF-8 without the flag."""
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return info.filename.encode("cp437").decode()
    return info.filename
