"""Atomic file writes, whose bytes depend only on the content."""

import errno
import os
import resource
import signal
import stat
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vdg import files
from vdg.errors import InputError

ARRAYS = {"b": np.arange(6, dtype=np.float32).reshape(2, 3), "a": np.array([1, 2], np.int16)}
META = {"names": ["x", "ÿ"], "size": [2, 3]}


@pytest.fixture
def old(tmp_path):
    """A file, alone in its folder, that a failed write must leave unchanged."""
    path = tmp_path / "out" / "file.bin"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


def unchanged(path):
    return path.read_bytes() == b"old" and os.listdir(path.parent) == [path.name]


WRITERS = {
    "bytes": lambda path: files.write_bytes(path, b"new" * 100_000),
    "json": lambda path: files.write_json(path, ["new"] * 100_000),
    "arrays": lambda path: files.write_arrays(path, {"new": np.zeros(300_000)}),
}
every_writer = pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)


@every_writer
def test_a_write_replaces_the_old_file(old, write):
    write(old)
    assert len(old.read_bytes()) > 100_000
    assert os.listdir(old.parent) == [old.name]
    assert stat.S_IMODE(old.stat().st_mode) == 0o644  # a team may read it


def test_folders_are_made(tmp_path):
    files.write_bytes(tmp_path / "a" / "b" / "c.bin", b"new")
    assert (tmp_path / "a" / "b" / "c.bin").read_bytes() == b"new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_while_writing(old, error):
    def write():
        with files.replacing(old) as temporary:
            temporary.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert unchanged(old)


def test_a_block_that_removes_its_file(old):
    with pytest.raises(InputError, match=r"cannot write .*file.bin"), files.replacing(old) as path:
        path.unlink()
    assert unchanged(old)


@every_writer
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_full_disk_at_the_last_moment(old, write, step, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, full)
    with pytest.raises(InputError, match=r"cannot write .*file.bin: No space left on device"):
        write(old)
    assert unchanged(old)


def test_a_full_disk_in_the_middle(old, monkeypatch):
    def full(path, data):
        with open(path, "wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(InputError, match=r"file.bin: No space left on device; nothing was changed"):
        files.write_bytes(old, b"new" * 100)
    monkeypatch.undo()
    assert unchanged(old)


@every_writer
def test_a_limit_that_the_system_enforces(old, write):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"cannot write .*file.bin: .*File too large"):
            write(old)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert unchanged(old)


def test_a_file_where_a_folder_should_be(old):
    with pytest.raises(InputError, match=r"cannot write .*file.bin/x: "):
        files.write_bytes(old / "x", b"new")
    assert unchanged(old)


def test_a_folder_where_the_file_should_be(old):
    with pytest.raises(InputError, match=r"cannot write .*out: "):
        files.write_bytes(old.parent, b"new")
    assert unchanged(old)
    assert os.listdir(old.parent.parent) == ["out"]


@pytest.mark.parametrize(
    "read",
    [
        lambda path: (path / "missing").read_bytes(),
        lambda path: path.read_bytes(),
        lambda path: Image.open(path / "old"),
        lambda path: os.listdir(path / "old"),
    ],
    ids=["missing", "a folder", "no picture", "no folder"],
)
def test_what_the_block_cannot_read_is_no_error_of_writing(tmp_path, read):
    (tmp_path / "old").write_bytes(b"old")
    with pytest.raises(OSError), files.replacing(tmp_path / "old"):  # noqa: PT011
        read(tmp_path)
    assert unchanged(tmp_path / "old")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS])
def test_no_room_is_an_error_of_writing_whatever_file_it_names(old, number):
    with (
        pytest.raises(InputError, match=r"cannot write .*file.bin: "),
        files.replacing(old),
    ):
        raise OSError(number, os.strerror(number), "source")  # as shutil.copyfile does
    assert unchanged(old)


def test_an_input_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*: Is a directory"):
        files.read_json(tmp_path)
    (tmp_path / "a.json").write_bytes(b"[" * 100_000)
    with pytest.raises(InputError, match=r"a.json is not valid JSON"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"a.json is not valid JSON"):
        files.read_json(tmp_path / "a.json")


def test_several_files_are_written_together(tmp_path):
    files.write_all({tmp_path / "a": b"1", tmp_path / "b" / "c": b"2"})
    assert (tmp_path / "a").read_bytes() == b"1"
    assert (tmp_path / "b" / "c").read_bytes() == b"2"


def test_several_files_or_none(old, monkeypatch):
    (old.parent / "folder").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*folder: Is a directory"):
        files.write_all({old: b"new", old.parent / "folder": b"new"})
    (old.parent / "folder").rmdir()
    assert unchanged(old)

    write, left = Path.write_bytes, [b"new"]

    def fill_up(path, data):
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, left.pop())

    monkeypatch.setattr(Path, "write_bytes", fill_up)
    with pytest.raises(InputError, match=r"cannot write .*second: No space left .* nothing was"):
        files.write_all({old: b"new", old.parent / "second": b"new"})
    monkeypatch.undo()
    assert unchanged(old)


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository, and a folder of it that DVC hashes as a whole."""
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "losses").mkdir()
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return tmp_path


def killed(work):
    """Run `work` in a child process, which must not survive it."""
    child = os.fork()
    if not child:
        try:
            work()
        finally:
            os._exit(0)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1])


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def write_file(path, last):
    with files.replacing(path) as temporary:
        temporary.write_bytes(b"half")
        last()


def write_folder(path, last):
    with files.replacing_folder(path) as temporary:
        (temporary / "half").write_bytes(b"half")
        last()


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_kill_leaves_nothing_in_a_folder_that_dvc_hashes(repository, write):
    target = repository / "losses" / "a"
    killed(lambda: write(target, die))
    assert os.listdir(target.parent) == []
    write(target, lambda: None)
    assert os.listdir(target.parent) == ["a"]


@pytest.mark.parametrize("write", [write_file, write_folder])
@pytest.mark.parametrize("place", ["elsewhere", ".scratch/run"])
def test_outside_the_repository_and_among_checkpoints_files_wait_beside(
    repository, tmp_path_factory, write, place
):
    target = (repository if "." in place else tmp_path_factory.mktemp(place)) / place / "a"
    seen = []
    write(target, lambda: seen.extend(target.parent.iterdir()))
    assert len(seen) == 1
    assert os.listdir(target.parent) == ["a"]


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_repository_spread_over_two_mounts(repository, write, monkeypatch):
    """A disk that is mounted twice has one device number but refuses renames across mounts."""
    target, replace = repository / "losses" / "a", os.replace

    def refuse(source, goal):
        if Path(source).parent != Path(goal).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        replace(source, goal)

    def rename(*_):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    monkeypatch.setattr(os, "replace", refuse)
    monkeypatch.setattr(os, "rename", rename)
    (target.parent / ".a.moving").mkdir()  # of a process that was killed
    for _ in range(2):
        write(target, lambda: None)
        assert os.listdir(target.parent) == ["a"]
    assert os.listdir(repository / ".scratch" / "tmp") == []


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_a_kill_while_folders_change_places_loses_neither(repository, moves):
    folder = repository / "data"
    folder.mkdir()
    (folder / "old").write_bytes(b"old")

    def work():
        replace, done = os.replace, []

        def counted(*paths):
            if len(done) == moves:
                die()
            done.append(replace(*paths))

        files.os.replace = counted
        write_folder(folder, die if moves == 2 else lambda: None)

    killed(work)
    with pytest.raises(ValueError, match="input"), files.replacing_folder(folder):
        raise ValueError("bad input")
    assert os.listdir(folder) == ["old"]
    write_folder(folder, lambda: None)
    assert os.listdir(folder) == ["half"]
    assert os.listdir(repository / ".scratch" / "tmp") == []


def test_a_folder_that_cannot_take_its_place(tmp_path, monkeypatch):
    folder, replace = tmp_path / "folder", os.replace
    folder.mkdir()
    (folder / "old").write_bytes(b"old")

    def refuse(source, goal):
        if Path(source).suffix == ".new":
            raise OSError(errno.EACCES, os.strerror(errno.EACCES))
        replace(source, goal)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(InputError, match=r"cannot write .*folder: Permission denied"):
        write_folder(folder, lambda: None)
    assert os.listdir(folder) == ["old"]
    assert os.listdir(tmp_path) == ["folder"]


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    folder = tmp_path / "folder"
    for name in ("first", "second"):
        with files.replacing_folder(folder) as new:
            (new / name).write_text(name)
        assert [path.name for path in folder.iterdir()] == [name]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"cannot write .*folder: Not a directory"),
        files.replacing_folder(tmp_path / "file" / "folder"),
    ):
        pass


@pytest.mark.parametrize(
    "error", [InputError("bad input"), KeyboardInterrupt(), PermissionError("of an input")]
)
def test_a_folder_survives_what_comes_to_nothing(tmp_path, error):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "old").write_text("old")
    (tmp_path / ".folder.new").mkdir()  # a killed process left it

    def fail():
        with files.replacing_folder(folder) as new:
            (new / "half").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert [path.name for path in folder.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [folder]


def test_json_round_trip(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"b": [1, None], "a": "ÿ"})
    assert files.read_json(path) == {"b": [1, None], "a": "ÿ"}
    again = tmp_path / "b.json"
    files.write_json(again, {"a": "ÿ", "b": [1, None]})
    assert path.read_bytes() == again.read_bytes()


def test_json_that_cannot_be_read(tmp_path):
    with pytest.raises(InputError, match=r"a.json is missing: run the stage"):
        files.read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text('{"a": 1')
    with pytest.raises(InputError, match=r"a.json is not valid JSON .*: delete it"):
        files.read_json(tmp_path / "a.json")


@pytest.mark.parametrize("framework", ["np", "pt"])
def test_arrays_round_trip(tmp_path, framework):
    files.write_arrays(tmp_path / "a.safetensors", ARRAYS, META)
    arrays, meta = files.read_arrays(tmp_path / "a.safetensors", framework)
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(np.asarray(arrays[name]), array)
        assert np.asarray(arrays[name]).dtype == array.dtype


def test_bytes_depend_on_the_content_alone(tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    files.write_arrays(first, ARRAYS, META)
    turned = {name: np.asfortranarray(ARRAYS[name]) for name in reversed(ARRAYS)}
    files.write_arrays(second, turned, dict(reversed(META.items())))
    assert first.read_bytes() == second.read_bytes()
    files.write_arrays(second, ARRAYS, META | {"size": [3, 2]})
    assert files.sha256(first) != files.sha256(second)


def test_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")  # the example of FIPS 180
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256(tmp_path / "a") == expected


def test_missing_arrays(tmp_path):
    for path in (tmp_path / "a.safetensors", tmp_path):
        with pytest.raises(InputError, match="is missing: run the stage that writes it"):
            files.read_arrays(path)


def test_arrays_cut_off_anywhere(tmp_path):
    path = tmp_path / "a.safetensors"
    files.write_arrays(path, ARRAYS, META)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"a.safetensors is damaged .*: delete it"):
            files.read_arrays(path)


@pytest.mark.parametrize("content", [b"PK\x03\x04" * 10, b"\xff" * 100, b"{}"])
def test_arrays_of_another_format(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(InputError, match=r"a.safetensors is damaged"):
        files.read_arrays(tmp_path / "a.safetensors")


def test_damaged_metadata(tmp_path):
    path = tmp_path / "a.safetensors"
    files.write_arrays(path, ARRAYS, META)
    path.write_bytes(path.read_bytes().replace(rb"{\"names", rb"{\\names"))
    with pytest.raises(InputError, match=r"a.safetensors is damaged"):
        files.read_arrays(path)
