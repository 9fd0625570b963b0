"""The packed form that every data set takes: names, identities and pixels in one file."""

from dataclasses import dataclass

import numpy as np

from vdg.errors import InputError
from vdg.files import read_arrays, write_arrays


@dataclass
class ImageSet:
    """One part ("train" or "test") of a data set.

    names: file names, unique, in the data set's own order.
    identities: of each image, the person (Market-1501) or outfit (DeepFashion) that it shows; ""
        for an image to leave out.
    images: uint8, (N, H, W, 3), RGB; a torch tensor when loaded with framework "pt".
    """

    names: list[str]
    identities: list[str]
    images: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def save(self, path) -> None:
        meta = {"names": self.names, "identities": self.identities}
        write_arrays(path, {"images": self.images}, meta)

    @classmethod
    def load(cls, path, framework: str = "np") -> "ImageSet":
        arrays, meta = read_arrays(path, framework)
        if "images" not in arrays or "names" not in meta:
            raise InputError(f"{path} is not a packed image set: run the download stage again")
        return cls(meta["names"], meta["identities"], arrays["images"])
