"""Key points of many pictures, one person each: of a file of any tool, or a folder of such files.

A folder holds a file per picture, as OpenPose writes them: photo_keypoints.json is of photo.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from vdg.clutter import is_clutter
from vdg.errors import InputError
from vdg.keypoints import reading, units
from vdg.keypoints.annotations import check_names
from vdg.keypoints.reading import BY_CONTENT, KeypointFile, Options, Shot
from vdg.pose import has_torso


class ByPicture:
    """The key points of pictures by name, in the file's order.

    Raises InputError for files that name no pictures, and for two pictures of one name.
    """

    def __init__(self, path: Path, options: Options = BY_CONTENT):
        self.path = path
        self._shots: dict[str, tuple[KeypointFile, Shot]] = {}
        self._beyond = 0
        self.files = [reading.read(file, options) for file in _files(path)]
        if path.is_dir():
            reading.share_unit(self.files)
        for file in self.files:
            for shot in file.shots:
                self._add(file, shot)
        reading.say([self.files[0].about()])
        reading.say(note for file in self.files for note in file.notes)

    def _add(self, file: KeypointFile, shot: Shot) -> None:
        name = shot.name
        if self.path.is_dir() and len(file.shots) == 1:
            name = reading.without_ending(str(file.path.relative_to(self.path)))
        if name is None:
            raise InputError(
                f"{file.path} does not name its pictures: give a folder with a file for each, "
                "named as the picture is"
            )
        if name in self._shots:
            raise InputError(f"{self.path} is of {name} twice: remove one")
        self._shots[name] = file, shot

    def __iter__(self):
        return iter(self._shots)

    def __contains__(self, name: str) -> bool:
        return name in self._shots

    def joints(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """The person of a picture of `size` (H, W): fractional indices (18, 2), -1 = missing.

        Of several people it is the only one with a torso. Raises InputError if there are two of
        them, and as `reading.placed`.
        """
        file, shot = self._shots[name]
        people = shot.people
        if len(people) > 1:
            people = people[has_torso(np.where(np.isnan(people), -1, 0))]
        if len(people) > 1:
            raise InputError(
                f"{self.path}: {name} shows {len(people)} people: leave the picture out, or all "
                "but one of them"
            )
        if not len(people):
            return np.full((18, 2), -1.0)
        known = len(file.notes)
        remedy = "give them in pixels of this one"
        places = reading.placed(file, shot, people[0], size, "its image", remedy)
        self._beyond += len(file.notes) - known
        return units.indices(places)

    def say_beyond(self) -> None:
        """Say in one line in how many of the pictures asked for joints lay beyond the picture."""
        if self._beyond:
            reading.say(
                [f"{self.path}: in {self._beyond} pictures, joints beyond them are missing"]
            )

    def pixels(self, name: str, size: tuple[int, int]) -> np.ndarray:
        """As `joints`, rounded to pixels: int16 (18, 2)."""
        return np.floor(self.joints(name, size) + 0.5).astype(np.int16)

    def rename(self, members: Iterable[str], spelled: Callable[[str], str]) -> None:
        """Name the pictures as in `members`, from which they may differ in their suffix.

        spelled: brings names into one spelling, that of `members`. Raises InputError for a picture
        that is none of them, and for two of one.
        """
        exact = set(members)
        bare = {reading.without_ending(member): member for member in exact}
        shots: dict[str, tuple[KeypointFile, Shot]] = {}
        for given, shot in self._shots.items():
            name = spelled(given)
            name = name if name in exact else bare.get(reading.without_ending(name), name)
            if name in shots:
                raise InputError(
                    f"{self.path}: {name} has two rows, whose names differ in their Unicode form "
                    "(NFC and NFD) or their suffix alone: remove one"
                )
            shots[name] = shot
        check_names(shots, exact, f"{self.path}")
        self._shots = shots


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = [
        file
        for file in sorted(path.rglob("*.json"))
        if file.is_file() and not is_clutter(file.relative_to(path).as_posix())
    ]
    if not files:
        raise InputError(f"{path} holds no JSON files of key points")
    return files
