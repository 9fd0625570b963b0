"""Arrays that may exceed the memory."""

import numpy as np
import pytest

from vdg import files
from vdg.errors import InputError
from vdg.files import Rows
from vdg.large_arrays import Computed, Spool, bits, masks_of, spooled, taken

ARRAYS = {
    "pairs": np.arange(6, dtype=np.int32).reshape(3, 2),
    "images": np.arange(7 * 5 * 3, dtype=np.uint8).reshape(7, 5, 3),
    "keypoints": -np.arange(8, dtype=np.int16).reshape(2, 4),
    "bits": np.zeros((0, 3), np.uint8),
}
META = {"names": ["a", "\u00e9\u20ac", '"\\\n'], "size": [5, 3]}
INDICES = [3, -1, slice(None), slice(2, 5), slice(5, 99), slice(None, None, -2), [4, 0, 0, 6], []]


def rows_of(array):
    return Rows(array.shape, array.dtype, lambda: iter(array))


@pytest.mark.parametrize("streamed", [["images"], list(ARRAYS), ["keypoints", "pairs"]])
def test_rows_are_written_as_the_library_writes_arrays(tmp_path, streamed):
    files.write_arrays(tmp_path / "whole", ARRAYS, META)
    mixed = {k: rows_of(v) if k in streamed else v for k, v in ARRAYS.items()}
    files.write_arrays(tmp_path / "rows", mixed, META)
    assert (tmp_path / "rows").read_bytes() == (tmp_path / "whole").read_bytes()


def test_rows_that_fail_or_are_too_few_leave_no_file(tmp_path):
    def broken():
        yield ARRAYS["images"][0]
        raise InputError("b.jpg is corrupt")

    shape, dtype = ARRAYS["images"].shape, np.dtype(np.uint8)
    for make, error in ((broken, InputError), (lambda: ARRAYS["images"][:3], ValueError)):
        with pytest.raises(error):
            files.write_arrays(tmp_path / "rows", {"images": Rows(shape, dtype, make)})
        assert not [*tmp_path.iterdir()]


def test_opened_arrays_are_indexed_as_numpy_does(tmp_path):
    files.write_arrays(tmp_path / "a", ARRAYS, META)
    opened, meta = files.open_arrays(tmp_path / "a")
    assert meta == META
    assert opened.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(opened[name][:], array)
        assert opened[name][:].dtype == array.dtype
    images = ARRAYS["images"]
    lazy = {
        "stored": opened["images"],
        "computed": Computed(images.shape, lambda which: images[which]),
        "taken": taken(taken(opened["images"], np.arange(7)[::-1]), np.arange(7)[::-1]),
        "spooled": spooled([images[:2], images[2:]]),
    }
    for name, array in lazy.items():
        assert (array.shape, len(array)) == (images.shape, 7)
        for which in INDICES:
            np.testing.assert_array_equal(array[which], images[which], err_msg=f"{name} {which}")
        with pytest.raises(IndexError):
            array[7]


def test_a_file_that_was_cut_off_meanwhile(tmp_path):
    files.write_arrays(tmp_path / "a", ARRAYS, META)
    opened, _ = files.open_arrays(tmp_path / "a")
    with open(tmp_path / "a", "r+b") as file:
        file.truncate(file.seek(0, 2) - 20)
    with pytest.raises(InputError, match="is shorter than it was"):
        [array[:] for array in opened.values()]


@pytest.mark.parametrize("content", [b"", b"no such file", b"\xff" * 64])
def test_files_that_cannot_be_opened(tmp_path, content):
    with pytest.raises(InputError, match="is missing: run the stage"):
        files.open_arrays(tmp_path / "a")
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(InputError, match="is damaged"):
        files.open_arrays(tmp_path / "a")


def test_masks_as_bits():
    masks = np.random.default_rng(0).random((4, 5, 3)) < 0.5
    packed = bits(masks)
    assert packed.shape == (4, 2)
    np.testing.assert_array_equal(masks_of(packed, 5, 3)[1:], masks[1:])


def test_a_spool_lies_where_tmpdir_says_and_has_no_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    spool = Spool()
    kept = [spool.keep(array) for array in ARRAYS.values()]
    for array, stored in zip(ARRAYS.values(), kept, strict=True):
        np.testing.assert_array_equal(stored[:], array)
    assert not [*tmp_path.iterdir()]
    spool.file.close()
    with (
        open("/dev/full", "wb", buffering=0) as spool.file,
        pytest.raises(InputError, match=f"temporary file in {tmp_path}: No space left"),
    ):
        spool.add(ARRAYS["images"])
