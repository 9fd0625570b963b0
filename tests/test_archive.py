"""Interrupted downloads and damaged archives."""

import errno
import hashlib
import io
import os
import stat
import threading
import tracemalloc
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image

from vdg.data import archive as reading
from vdg.data.archive import Archive, locate
from vdg.errors import InputError

DATA = np.random.default_rng(0).bytes(300_000)
SHA256 = hashlib.sha256(DATA).hexdigest()
HELP = "get it from the authors and put it at {path}"


class Handler(BaseHTTPRequestHandler):
    """Serves DATA and records each Range; the first `breaks` responses stop half-way."""

    def do_GET(self):
        server = self.server
        wanted = self.headers.get("Range")
        server.ranges.append(wanted)
        if self.path != "/data.zip":
            self.send_error(404)
            return
        if server.refusal is not None:
            self.send_response(416)
            self.send_header("Content-Range", server.refusal)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        start = int(wanted[len("bytes=") : -1]) if wanted and server.supports_range else 0
        if start >= len(DATA):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(DATA)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = DATA[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
        length = str(len(body)) if server.length is None else server.length
        self.send_header("Content-Length", length.encode().decode("latin-1"))
        self.end_headers()
        if server.breaks:
            server.breaks -= 1
            body = body[: int(len(body) * server.fraction)]
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.ranges, server.breaks, server.fraction, server.supports_range = [], 0, 0.5, True
    server.refusal = server.length = None
    server.url = f"http://127.0.0.1:{server.server_port}/data.zip"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def download(server, path, sha256=SHA256):
    return locate(path, url=server.url, sha256=sha256, help=HELP)


def test_download(server, tmp_path):
    path = download(server, tmp_path / "new" / "data.zip")
    assert path.read_bytes() == DATA
    assert [p.name for p in path.parent.iterdir()] == ["data.zip"]
    download(server, path)
    assert len(server.ranges) == 1, "an archive that is there is not downloaded again"


def test_download_resumes_after_a_break(server, tmp_path):
    server.breaks = 1
    assert download(server, tmp_path / "data.zip").read_bytes() == DATA
    first, second = server.ranges
    assert first is None
    assert 0 < int(second[len("bytes=") : -1]) <= len(DATA) // 2


def test_download_resumes_an_earlier_run(server, tmp_path):
    (tmp_path / "data.zip.part").write_bytes(DATA[:1000])
    assert download(server, tmp_path / "data.zip").read_bytes() == DATA
    assert server.ranges == ["bytes=1000-"]


@pytest.mark.parametrize("length", [len(DATA), len(DATA) + 1])
def test_download_with_nothing_left(server, tmp_path, length):
    (tmp_path / "data.zip.part").write_bytes((DATA + b"x")[:length])
    assert download(server, tmp_path / "data.zip").read_bytes() == DATA


@pytest.mark.parametrize("head", ["", "bytes */x", "bytes */0"])
def test_a_server_that_refuses_whatever_is_asked_for(server, tmp_path, head):
    server.refusal = head
    part = tmp_path / "data.zip.part"
    part.write_bytes(DATA[:1000])
    with pytest.raises(InputError, match=r"416.*check the url"):
        download(server, tmp_path / "data.zip")
    assert part.read_bytes() == DATA[:1000], "kept, for a server that is itself again"
    part.unlink()
    with pytest.raises(InputError, match=r"416.*check the url"):
        download(server, tmp_path / "data.zip")


@pytest.mark.parametrize("length", ["abc", "-1", "", "1e9", "٣"])
def test_a_length_that_is_no_number(server, tmp_path, length):
    server.length = length
    assert download(server, tmp_path / "data.zip").read_bytes() == DATA


def test_download_without_range_starts_over(server, tmp_path):
    server.supports_range = False
    (tmp_path / "data.zip.part").write_bytes(b"x" * 1000)
    assert download(server, tmp_path / "data.zip").read_bytes() == DATA


def test_download_gives_up_without_progress(server, tmp_path):
    server.breaks, server.fraction = 100, 0
    (tmp_path / "data.zip.part").write_bytes(DATA[:1000])
    with pytest.raises(InputError, match=r"broke off after 1000 bytes.*run again to resume"):
        download(server, tmp_path / "data.zip")
    assert (tmp_path / "data.zip.part").read_bytes() == DATA[:1000]


def test_download_with_wrong_hash(server, tmp_path):
    with pytest.raises(InputError, match=f"part has sha256 {SHA256}, expected {'0' * 64}: correct"):
        download(server, tmp_path / "data.zip", "0" * 64)
    assert not (tmp_path / "data.zip").exists()
    assert download(server, tmp_path / "data.zip").read_bytes() == DATA, "kept for a corrected hash"


@pytest.mark.parametrize("sha256", [None, "", "abc"])
def test_download_needs_a_hash(server, tmp_path, sha256):
    with pytest.raises(InputError, match="set it to 64 hex digits"):
        download(server, tmp_path / "data.zip", sha256)
    assert server.ranges == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/data.zip", "ftp://127.0.0.1/data.zip", "data.zip"]
)
def test_download_from_nowhere(tmp_path, url):
    with pytest.raises(InputError, match=r"data\.zip"):
        locate(tmp_path / "data.zip", url=url, sha256=SHA256, help=HELP)


def test_download_not_found(server, tmp_path):
    server.url += "x"
    with pytest.raises(InputError, match=r"404.*check the url"):
        download(server, tmp_path / "data.zip")


def test_download_cannot_write(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        download(server, tmp_path / "file" / "data.zip")


def test_locate_local(tmp_path):
    path = tmp_path / "data.zip"
    with pytest.raises(InputError, match=f"{path} does not exist: .* put it at {path}"):
        locate(path, url=None, sha256=None, help=HELP)
    path.write_bytes(DATA)
    assert locate(path, url=None, sha256=SHA256.upper(), help=HELP) == path
    with pytest.raises(InputError, match=f"sha256 {SHA256}, expected 00"):
        locate(path, url=None, sha256="0" * 64, help=HELP)
    assert locate(tmp_path, url=None, sha256=SHA256, help=HELP) == tmp_path


def encoded(mode="RGB", size=(4, 6), format="PNG", color=0):
    file = io.BytesIO()
    Image.new(mode, size, color).save(file, format)
    return file.getvalue()


def make_zip(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, data in entries:
            file.writestr(name, data)
    return path


def make_folder(path, entries):
    for name, data in entries:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


CLUTTER = ["a/Thumbs.db", "__MACOSX/a/._1.png", "a/.DS_Store", "a/._1.png"]
CLUTTER += [".thumbnails/1.png", "a/.thumbnails/normal/1.png", "a/@eaDir/1.png/small.png"]


@pytest.mark.parametrize("make", [make_zip, make_folder])
def test_members_are_sorted_images(tmp_path, make):
    entries = [(f"a/{i}.png", encoded(color=(i, 20, 30))) for i in (2, 1)]
    entries += [(name, b"") for name in CLUTTER]
    with Archive(make(tmp_path / "data", entries)) as archive:
        assert archive.members == ["a/1.png", "a/2.png"]
        images = np.stack([*archive.images(archive.members, 6, 4, "read")])
    assert images.dtype == np.uint8
    assert images.shape == (2, 6, 4, 3)
    assert (images[0] == (1, 20, 30)).all()
    assert (images[1] == (2, 20, 30)).all()


def test_a_zip_whose_entries_begin_with_a_dot_folder(tmp_path):
    with Archive(make_zip(tmp_path / "data.zip", [("./a/1.png", b"")])) as archive:
        assert archive.members == ["./a/1.png"]


def test_a_hidden_root_is_read(tmp_path):
    assert Archive(make_folder(tmp_path / ".data", [("a/1.png", b"")])).members == ["a/1.png"]


def refuse(monkeypatch, name):
    """Let os.scandir fail for a folder, as for a user without permission."""
    scandir = os.scandir

    def guarded(path):
        if os.path.basename(path) == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)


@pytest.mark.parametrize("name", ["data", "anna"])
def test_a_folder_that_cannot_be_read(tmp_path, monkeypatch, name):
    root = make_folder(tmp_path / "data", [("anna/1.png", b""), ("ben/1.png", b"")])
    refuse(monkeypatch, name)
    with pytest.raises(InputError, match=rf"folder .*{name}: Permission denied; make it readable"):
        Archive(root)


def test_clutter_that_cannot_be_read(tmp_path, monkeypatch):
    root = make_folder(tmp_path / "data", [("anna/1.png", b""), (".Trash-0/1.png", b"")])
    refuse(monkeypatch, ".Trash-0")
    assert Archive(root).members == ["anna/1.png"]


def test_directory_entries_are_no_members(tmp_path):
    with Archive(make_zip(tmp_path / "data.zip", [("a/", b""), ("a/b/", b"")])) as archive:
        assert archive.members == []


@pytest.mark.parametrize("name", ["a\\1.png", "..\\1.png"])
def test_zip_entries_with_backslashes(tmp_path, name):
    with pytest.raises(InputError, match=r"1.png' has backslashes: zip it again with forward sl"):
        Archive(make_zip(tmp_path / "data.zip", [(name, b"")]))


@pytest.mark.parametrize("name", ["/etc/1.png", "../1.png", "a/../../1.png"])
def test_zip_entries_outside(tmp_path, name):
    with pytest.raises(InputError, match=r"data.zip: entry .*1.png' points outside"):
        Archive(make_zip(tmp_path / "data.zip", [(name, b"")]))


def test_zip_symbolic_link(tmp_path):
    link = zipfile.ZipInfo("a/1.png")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(InputError, match=r"entry 'a/1.png' is a symbolic link"):
        Archive(make_zip(tmp_path / "data.zip", [(link, "/etc/passwd")]))


def test_zip_encrypted(tmp_path):
    path = make_zip(tmp_path / "data.zip", [("1.png", b"x")])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + 8] |= 1  # the flag in the central directory
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"data.zip: 1.png is encrypted: unpack .* password"):
        Archive(path)


@pytest.mark.parametrize("claimed", [None, 100])
def test_an_entry_that_unpacks_to_too_much(tmp_path, claimed, monkeypatch):
    """20 MB of zeros where 1 MB is allowed; claimed: the size in the directory of the zip file."""
    path = make_zip(tmp_path / "data.zip", [("1.png", bytes(20_000_000))], zipfile.ZIP_DEFLATED)
    data = bytearray(path.read_bytes())
    if claimed is not None:
        for start, place in ((data.index(b"PK\3\4"), 22), (data.index(b"PK\1\2"), 24)):
            data[start + place : start + place + 4] = claimed.to_bytes(4, "little")
    path.write_bytes(data)
    monkeypatch.setattr(reading, "LARGEST_MEMBER", 1 << 20)
    tracemalloc.start()
    with Archive(path) as archive, pytest.raises(InputError, match=r"data.zip: 1.png (has|is)"):
        archive.image("1.png", 6, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_that_cannot_be_bounded(tmp_path, method):
    path = make_zip(tmp_path / "data.zip", [("1.png", bytes(100))], method)
    with pytest.raises(InputError, match=rf"method {method}: unpack the archive and set the path"):
        Archive(path)


def test_a_file_of_a_folder_that_is_too_large(tmp_path):
    (tmp_path / "1.png").write_bytes(encoded())
    os.truncate(tmp_path / "1.png", 1 << 40)  # takes no room on the disk
    with pytest.raises(InputError, match=r"1.png has more than 64 MiB"):
        Archive(tmp_path).image("1.png", 6, 4)


def test_what_is_no_file_in_a_folder(tmp_path):
    os.mkfifo(tmp_path / "1.png")  # would be read without end
    with pytest.raises(InputError, match=r"1.png is no file: remove it"):
        Archive(tmp_path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_zip_duplicate(tmp_path):
    with pytest.raises(InputError, match=r"holds 1.png twice"):
        Archive(make_zip(tmp_path / "data.zip", [("1.png", b""), ("1.png", b"")]))


@pytest.mark.parametrize("damage", [lambda data: b"not a zip", lambda data: data[:-30]])
def test_no_whole_zip(tmp_path, damage):
    path = make_zip(tmp_path / "data.zip", [("1.png", encoded())])
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"data.zip is not a whole zip file"):
        Archive(path)


def test_missing_archive(tmp_path):
    with pytest.raises(InputError, match=r"data.zip is not a whole zip file or a folder"):
        Archive(tmp_path / "data.zip")


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_corrupt_entry(tmp_path, compression):
    path = make_zip(tmp_path / "data.zip", [("1.png", encoded())], compression)
    data = bytearray(path.read_bytes())
    data[50] ^= 255
    path.write_bytes(data)
    with Archive(path) as archive, pytest.raises(InputError, match=r"data.zip: 1.png is corrupt"):
        archive.image("1.png", 6, 4)


def test_any_damage_is_an_input_error(tmp_path):
    rng = np.random.default_rng(0)
    path = make_zip(tmp_path / "data.zip", [("1.png", encoded())], zipfile.ZIP_DEFLATED)
    whole = path.read_bytes()
    for _ in range(300):
        data = bytearray(whole)
        data[rng.integers(len(data))] = rng.integers(256)
        path.write_bytes(data)
        try:
            with Archive(path) as archive:
                [*archive.images(archive.members, 6, 4, "read")]
        except InputError:
            pass


@pytest.mark.parametrize("make", [make_zip, make_folder])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (encoded("L"), "is L, 6 high, 4 wide; expected RGB, 6 high, 4 wide"),
        (encoded("RGBA"), "is RGBA"),
        (encoded("P"), "is P"),
        (encoded("CMYK", format="JPEG"), "is CMYK"),
        (encoded(size=(6, 4)), "is RGB, 4 high, 6 wide; expected RGB, 6 high, 4 wide"),
        (encoded(format="BMP"), ": cannot read image"),
        (encoded()[:-25], ": cannot read image"),
        (encoded(format="JPEG")[:-25], ": cannot read image"),
        (b"", ": cannot read image"),
    ],
)
def test_images_of_another_form(tmp_path, make, data, message):
    with Archive(make(tmp_path / "data", [("a/1.png", data)])) as archive:  # noqa: SIM117
        with pytest.raises(InputError, match=f"data: a/1.png ?{message}"):
            archive.image("a/1.png", 6, 4)


def test_links_in_a_folder(tmp_path):
    root = make_folder(tmp_path / "data", [("1.png", encoded())])
    (root / "2.png").symlink_to(root / "1.png")  # as a cache may link its files
    assert Archive(root).members == ["1.png", "2.png"]
    (root / "loop").symlink_to(root)
    with pytest.raises(InputError, match="loop is a link to a folder"):
        Archive(root)
