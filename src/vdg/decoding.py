"""Decode untrusted image files: few formats, bounded memory, one exception type."""

import contextlib
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageOps

from vdg.errors import InputError

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 50_000_000  # decoding and every conversion take 3 bytes per pixel each

# `opened` raises an InputError instead
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def open_file(path: Path) -> BinaryIO:
    """Open a file for reading in binary mode. Raises InputError on failure."""
    try:
        return open(path, "rb")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error


@contextlib.contextmanager
def opened(file: BinaryIO, where: str, formats: tuple[str, ...] = FORMATS):
    """Yield an image after reading its header but not its pixels.

    where: name in error messages. formats: Pillow's names of the accepted formats.

    Raises InputError for another format, for more than MAX_PIXELS, and for any exception in the
    block.
    """
    try:
        with Image.open(file, formats=formats) as image:
            if image.width * image.height > MAX_PIXELS:
                raise _too_large(where)
            yield image
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(where) from error
    except Exception as error:  # Pillow has no common exception for damaged files
        reason = str(error).split(" <")[0]  # without a memory address
        raise InputError(
            f"{where}: cannot read image: unsupported or corrupt file ({reason}); supported: "
            + ", ".join(formats)
        ) from error


def _too_large(where: str) -> InputError:
    return InputError(
        f"{where} has more than {MAX_PIXELS // 1_000_000} million pixels: make it smaller first"
    )


def upright(image: Image.Image, where: str) -> Image.Image:
    """Apply the EXIF orientation and convert a 16-bit PNG to 8 bits per channel.

    Raises InputError for other images of 16 or 32 bits, whose value range is unknown.
    """
    turned = ImageOps.exif_transpose(image)
    if image.mode == "I;16" and image.format == "PNG":
        return Image.fromarray((np.asarray(turned) / 257).round().astype(np.uint8))
    if image.mode[0] in "IF":
        raise InputError(f"{where} has {image.mode} pixels, of unknown range: save it with 8 bits")
    return turned
