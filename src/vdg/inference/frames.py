"""The frames of a motion: people in images and in key-point files of any tool."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from vdg import estimators
from vdg.data.fitting import Frame, open_picture
from vdg.errors import InputError
from vdg.estimators.movenet_joints import say_invented
from vdg.keypoints import reading
from vdg.keypoints.reading import KeypointFile, Options, Shot

UNREADABLE = 0.1  # of the frames that may be; of more, the motion would jump


def read(
    files: Sequence[str], size: tuple[int, int], fitted: bool, options: Options, device
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the people of each frame, in order: (K, 18, 2), nan = missing.

    Joints are fractional indices of pixels. A key-point file of several frames stands for all of
    them. The coordinates of all files have one unit.

    size: (H, W) of the model's images. fitted: in pixels of the frames; without it, frames whose
    size is known are letter-boxed, and others are in pixels of the model's images.

    A damaged frame is left out, in a line. Raises InputError for a missing file, and if more than
    UNREADABLE of the frames are damaged, but for one of three or more.
    """
    bad: list[InputError] = []

    def leave_out(text: str, error: InputError) -> None:
        bad.append(error)
        allowed = max(int(len(files) > 2), UNREADABLE * len(files))
        if len(bad) > allowed or not Path(text).is_file():
            raise bad[0]

    written: dict[int, KeypointFile] = {}
    invented: list[int] = []  # joints of each image
    for index, text in enumerate(files):
        if reading.is_keypoints(Path(text)):
            try:
                written[index] = reading.read(Path(text), options)
            except InputError as error:
                leave_out(text, error)
    reading.share_unit(list(written.values()))
    if written:
        reading.say([_about(list(written.values()))])
    for index, text in enumerate(files):
        try:
            if index in written:
                shown = _written(text, written[index], size, fitted, options)
            elif reading.is_keypoints(Path(text)):
                continue  # damaged
            else:
                picture = open_picture(Path(text))
        except InputError as error:
            leave_out(text, error)
            continue
        if index in written:
            yield from shown
        else:
            people = estimators.people(picture, device, invented)
            yield text, _seen(people, Frame.of(picture.height, picture.width, size), fitted)
    say_invented(invented)
    reading.say(f"{error}; the frame is left out" for error in bad)
    reading.say(_gathered([note for file in written.values() for note in file.notes], len(files)))


def _about(files: list[KeypointFile]) -> str:
    """What the files of a motion were taken for, after the first of them."""
    others = f", and {len(files) - 1} other files" if files[1:] else ""
    return files[0].about() + others


def _gathered(notes: list[str], count: int) -> list[str]:
    """The notes of all frames; of many frames, one line for each kind, after the first."""
    if len(notes) <= 3:
        return notes
    kinds: dict[str, list[str]] = {}
    for note in notes:
        kind = "".join(c for c in note.rpartition(": ")[2] if not c.isdigit())
        kinds.setdefault(kind, []).append(note)
    return [
        same[0] if len(same) == 1 else f"{same[0]} (and so in {len(same) - 1} of {count} frames)"
        for same in kinds.values()
    ]


def _seen(people: np.ndarray, frame: Frame, fitted: bool) -> np.ndarray:
    """The estimated people (K, 18, 2) of an image as `read` says; frame: of the model's images."""
    if not fitted:
        # all of them, because they are compared with the pose of the frame before
        people = frame.place(people)
    return np.where(people >= 0, people, np.nan).astype(float)


def _written(
    text: str, file: KeypointFile, size: tuple[int, int], fitted: bool, options: Options
) -> list[tuple[str, np.ndarray]]:
    """The frames of a key-point file."""
    one = len(file.shots) == 1
    return [
        (text if one else f"{text}:{name}", _people(file, shot, size, fitted, options) - 0.5)
        for name, shot in zip(file.names(), file.shots, strict=True)
    ]


def _people(
    file: KeypointFile, shot: Shot, size: tuple[int, int], fitted: bool, options: Options
) -> np.ndarray:
    """Places (K, 18, 2) of a frame's people, as `read` says. People mostly outside are left out."""
    own = options.size or shot.size
    if fitted and own is None:
        return reading.on_canvas(file, shot, shot.people, size)
    remedy = "--fit scales the motion into it, or give its size with --pose-size HxW"
    placed, errors = [], []
    for joints in shot.people:
        image = "its picture" if own else "a picture of the model"
        try:
            placed.append(reading.placed(file, shot, joints, own or size, image, remedy))
        except InputError as error:
            errors.append(error)
    if errors and not placed:
        raise errors[0]
    people = np.array(placed).reshape(-1, 18, 2)
    return people if fitted or own is None else Frame.of(*own, size).exact(people)
