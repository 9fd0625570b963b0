"""The packed format of all data sets: names, identities and pixels in one file."""

from dataclasses import dataclass, replace
from typing import Any

from vdg.errors import InputError
from vdg.files import open_arrays, write_arrays


@dataclass
class ImageSet:
    """One official split ("train" or "test") of a data set.

    names: file names, unique, in the data set's own order.
    identities: person (Market-1501) or outfit (DeepFashion) of each image; "" excludes the image.
    images: uint8, (N, H, W, 3), RGB: `Rows` as a reader returns them, which are decoded while the
        set is saved; `Stored` in an opened set; an array in memory in a loaded one.
    """

    names: list[str]
    identities: list[str]
    images: Any

    def __len__(self) -> int:
        return len(self.names)

    def save(self, path) -> None:
        meta = {"names": self.names, "identities": self.identities}
        write_arrays(path, {"images": self.images}, meta)

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)."""
        return tuple(self.images.shape[1:3])

    @classmethod
    def load(cls, path) -> "ImageSet":
        """Read a packed file into memory."""
        opened = cls.open(path)
        return replace(opened, images=opened.images[:])

    @classmethod
    def open(cls, path) -> "ImageSet":
        """Open a packed file. Raises InputError if it is missing or something else."""
        arrays, meta = open_arrays(path)
        if "images" not in arrays or "names" not in meta:
            raise InputError(f"{path} is not a packed image set: run the download stage again")
        return cls(meta["names"], meta["identities"], arrays["images"])
