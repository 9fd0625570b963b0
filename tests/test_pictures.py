"""Decoding of arbitrary image files: any bit depth, rotated, huge, damaged, unsupported."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile

from vdg.data.archive import Archive
from vdg.data.fitting import open_picture
from vdg.decoding import FORMATS
from vdg.errors import InputError
from vdg.evaluation.image_folders import read_folder

RGB = np.random.default_rng(0).integers(0, 256, (12, 10, 3)).astype(np.uint8)


def encode(image, format="PNG", **settings):
    buffer = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(buffer, format, **settings)
    return buffer.getvalue()


def png_chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(height, width, *chunks):
    """A PNG with a given size in its header, given chunks and almost no pixel data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*part) for part in parts)


DEPTHS = (np.arange(120).reshape(12, 10) * 500).astype(np.uint16)  # 0 to 59,500
BOMB = zlib.compress(bytes(80_000_000))
REFUSED = {
    "empty": (b"", "cannot read image"),
    "text": (b"no picture", "cannot read image"),
    "cut off": (encode(RGB)[:-40], "cannot read image"),
    "JPEG cut off": (encode(RGB, "JPEG")[:-40], "cannot read image"),
    "16 bits without a range": (encode(DEPTHS, "TIFF"), "I;16 pixels, of unknown range"),
    "32 bits": (encode(DEPTHS.astype(np.int32), "TIFF"), "I pixels, of unknown range"),
    "floats": (encode(DEPTHS.astype(np.float32), "TIFF"), "F pixels, of unknown range"),
    "13,000 pixels squared": (
        encode(Image.new("1", (13_000, 13_000))),
        "more than 50 million pixels: make it smaller",
    ),
    "a header of 2^62 pixels": (png(2**31 - 1, 2**31 - 1), "more than 50 million pixels"),
    "one row of 2^31 pixels": (png(1, 2**31 - 1), "more than 50 million pixels"),
    "no column": (png(5, 0), "cannot read image"),
    "80 MB of text": (png(4, 4, (b"zTXt", b"a\0\0" + BOMB)), "cannot read image"),
    "80 MB of colour profile": (png(4, 4, (b"iCCP", b"a\0\0" + BOMB)), "cannot read image"),
    **{
        name: (encode(RGB, name), "cannot read image.*supported: JPEG, PNG, WEBP")
        for name in ("QOI", "JPEG2000", "PPM", "TGA", "ICNS", "SGI", "DDS", "PCX")
    },
}


@pytest.mark.parametrize(("data", "message"), REFUSED.values(), ids=REFUSED)
def test_refused_with_one_line(tmp_path, data, message):
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError, match=rf"a.png.*{message}") as refusal:
        open_picture(tmp_path / "a.png")
    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500
    with pytest.raises(InputError, match=r"a.png"):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", [name for name in REFUSED if "pixels" in name])
def test_what_is_too_large_is_not_decoded(tmp_path, name, monkeypatch):
    (tmp_path / "a.png").write_bytes(REFUSED[name][0])
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda _: pytest.fail("decoded"))
    for read in (open_picture, lambda path: read_folder(path.parent)):
        with pytest.raises(InputError, match="more than 50 million pixels"):
            read(tmp_path / "a.png")


GREY = np.array([[0, 1, 2], [128, 254, 255]], np.uint8)
FLAT = Image.new("L", (8, 8), 90)
ACCEPTED = {
    "16 bits of a PNG": (encode(GREY.astype(np.uint16) * 257), GREY),
    "16 bits, rounded": (encode(np.array([[128, 129]], np.uint16)), np.array([[0, 1]])),
    "8 bits": (encode(GREY), GREY),
    "floats that are none": (encode(GREY, "TIFF"), GREY),
    "a palette": (encode(Image.fromarray(GREY).convert("P")), GREY),
    "first of several": (
        encode(GREY, "GIF", save_all=True, append_images=[Image.new("L", (3, 2))]),
        GREY,
    ),
    "grey with transparency": (encode(Image.fromarray(GREY).convert("LA")), GREY),
    "lossless WebP": (encode(Image.fromarray(GREY).convert("RGB"), "WEBP", lossless=True), GREY),
    "BMP": (encode(GREY, "BMP"), GREY),
    # as cameras write two views: a JPEG for whoever reads but that
    "MPO": (
        encode(FLAT.convert("RGB"), "MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))]),
        np.full((8, 8), 90),
    ),
    "CMYK": (encode(Image.new("CMYK", (8, 8), (0, 0, 0, 0)), "JPEG"), np.full((8, 8), 255)),
}


@pytest.mark.parametrize(("data", "expected"), ACCEPTED.values(), ids=ACCEPTED)
def test_read_as_it_looks(tmp_path, data, expected):
    (tmp_path / "a").write_bytes(data)
    pixels = np.asarray(open_picture(tmp_path / "a"))
    np.testing.assert_array_equal(pixels, np.repeat(expected[..., None], 3, 2))


@pytest.mark.parametrize("path", ["", "folder", "missing.png", "no/where.png"])
def test_what_is_no_file(tmp_path, path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"^cannot read .*: (Is a directory|No such file)"):
        open_picture(tmp_path / path)


def damaged(seed):
    """Strategy: the bytes of a file with some bytes changed, truncated or with trailing data."""
    place, byte = st.integers(0, len(seed) - 1), st.integers(0, 255)

    def damage(bytes_, end, more):
        data = bytearray(seed)
        for i, value in bytes_:
            data[i] = value
        return bytes(data[:end]) + more

    flips = st.lists(st.tuples(place, byte), max_size=6)
    return st.builds(damage, flips, st.none() | place, st.binary(max_size=9))


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")  # of what a TIFF lacks
@pytest.mark.parametrize("format", [*FORMATS, "QOI", "JPEG2000", "AVIF"])
@given(data=st.data())
def test_any_damage_is_an_input_error(tmp_path_factory, format, data):
    folder = tmp_path_factory.getbasetemp()
    (folder / "a.png").write_bytes(data.draw(damaged(encode(RGB, format))))
    for read in (lambda: open_picture(folder / "a.png"), lambda: read_folder(folder)):
        with contextlib.suppress(InputError):
            read()


LYING = {  # how a camera stores an upright picture, by EXIF's orientation (JEITA CP-3451)
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: pixels.transpose(1, 0, 2),
    6: lambda pixels: np.rot90(pixels, 1),
    7: lambda pixels: np.rot90(pixels, 2).transpose(1, 0, 2),
    8: lambda pixels: np.rot90(pixels, -1),
}


@pytest.mark.parametrize(("orientation", "lie"), LYING.items())
def test_pictures_are_turned_upright(tmp_path, orientation, lie):
    upright = np.zeros((16, 8, 3), np.uint8)
    upright[:8, :4] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = np.ascontiguousarray(lie(upright))
    (tmp_path / "a.jpg").write_bytes(encode(stored, "JPEG", exif=exif, quality=95))
    for pixels in (
        Archive(tmp_path).image("a.jpg", 16, 8),
        read_folder(tmp_path)["a"][:],
        np.asarray(open_picture(tmp_path / "a.jpg")),
    ):
        np.testing.assert_allclose(pixels, upright, atol=5)
