"""Resolve command-line arguments to key points: named pose, row of a CSV, JSON, image, frames."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vdg import estimators
from vdg.data.fitting import Frame, open_picture, require_inside
from vdg.data.synthetic.render import NAMED_POSES
from vdg.drawing import skeleton
from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.inference import motion
from vdg.inference.outputs import png
from vdg.inference.transfer import csv_row, named_pose, read_openpose, require_torso
from vdg.pose import TORSO, has_torso
from vdg.views import pose_distance

ENLARGED = 2  # maximum upscaling factor of a source; beyond it, the result looks blurred
SMALL = 0.5  # minimum height of a person, as a fraction of the model's image height
MARGIN = 0.03  # minimum distance of the torso to the border, as a fraction of the longer side
# Torsos of poses that training saw, from the shoulders' middle to the hips': length in heights of
# the image, and angle to the vertical. .16 and 34 degrees are the 0.1 and 99.9 % points of
# Market-1501's training poses, .6 the 99 % point of DeepFashion's; rendered people lie inside.
TORSO_LENGTHS, LEAN = (0.16, 0.6), 34


class PoseFinder:
    """Finds the key points of sources and targets, in a model's images of `size` (H, W).

    device: device of the estimator. output: path beside which the detected people of an ambiguous
    image are drawn.
    """

    def __init__(self, size: tuple[int, int], device, output: Path):
        self.size, self.device, self.output = size, device, output

    def source(self, path: Path, picture: Image.Image, given: str | None, person: int | None):
        """Joints (18, 2) of the source image.

        given: CSV:NAME or JSON, in pixels of the original image; None estimates them. person: which
        of several in the JSON or in the image.

        Raises InputError as `_one` does, for joints outside the image, and for a `person` beside a
        row of a CSV.
        """
        if given is None:
            people = estimators.people(picture, self.device)
            joints = self._one(people, person, str(path), "--person {}", picture, "people")
        else:
            if person is not None and not given.endswith(".json"):
                raise InputError(
                    f"--person {person}: {given} is of one person: leave --person out, or name the "
                    "row of the other in --keypoints"
                )
            joints = self._written(given, person, "--person {}")
            require_inside(joints, (picture.height, picture.width), given, "the source")
        for doubt in doubts(picture, joints, self.size):
            print(f"warning: {path}: {doubt}", file=sys.stderr)
        placed = Frame.of(picture.height, picture.width, self.size).place(joints)
        require_torso(placed, given or str(path))
        return placed

    def target(self, text: str):
        """Joints (18, 2) of a target pose. CSV and JSON are in pixels of the model's images."""
        if text.partition("@")[0] in NAMED_POSES:
            return named_pose(text, self.size)
        file, person = _split_person(text)
        choice = f"--pose {file}:{{}}"
        if ".csv" in text or file.endswith(".json"):
            joints = self._written(text if ".csv" in text else file, person, choice)
            require_inside(joints, self.size, text, "a picture of the model")
        elif Path(file).suffix or Path(file).is_file():
            picture = open_picture(Path(file))
            people = estimators.people(picture, self.device)
            joints = self._one(people, person, file, choice, picture, "pose-people")
            joints = Frame.of(picture.height, picture.width, self.size).place(joints)
        else:
            return named_pose(text, self.size)  # its error lists the named poses
        require_torso(joints, text)
        for doubt in pose_doubts(joints, self.size):
            print(f"warning: {text}: {doubt}", file=sys.stderr)
        return joints

    def motion(
        self, frames: list[str], smoothed: bool, fitted: bool
    ) -> tuple[list[str], np.ndarray]:
        """The frames that show a person, and their joints int16 (T, 18, 2).

        frames: JSON files and images, in order. Of several people, the one nearest to the frame
        before is followed. smoothed: see `motion.smooth`. fitted: the frames may be of any size,
        and `motion.fit` brings them into the model's; without it, images are letter-boxed and JSON
        is in pixels of the model's images. Frames without a whole torso are left out, in one line
        each.
        """
        poses = np.full((len(frames), 18, 2), -1)
        for number, file in enumerate(frames):
            earlier = poses[:number][(poses[:number] >= 0).any((1, 2))]
            people = self._frame(file, fitted)
            if len(people) > 1 and not len(earlier):
                raise InputError(
                    f"{file}: {len(people)} people were found in the first frame with people: "
                    "begin with a frame of one person, who is then followed"
                )
            if len(people) > 1:
                away = pose_distance(people, np.repeat(earlier[-1:], len(people), 0))
                people = people[[np.argmin(np.nan_to_num(away, nan=np.inf))]]
            if len(people):
                poses[number] = people[0]
        tracks = np.where(poses >= 0, poses, np.nan)
        if np.isnan(tracks).all():
            raise InputError(f"{frames[0]} and {len(frames) - 1} other frames: no person was found")
        tracks = motion.smooth(tracks) if smoothed else tracks
        tracks = motion.fit(tracks, self.size) if fitted else tracks
        kept = motion.whole(tracks)
        for file in np.array(frames)[~kept]:
            print(f"{file}: nobody with both shoulders and hips: left out", file=sys.stderr)
        if kept.sum() < 2:
            raise InputError(f"{frames[0]}, ...: {kept.sum()} frames show a whole torso, not 2")
        joints = motion.pixels(tracks[kept], self.size)
        doubts = [doubt for pose in joints for doubt in pose_doubts(pose, self.size)]
        for doubt in dict.fromkeys(doubts):
            count = f"{doubts.count(doubt)} of {len(joints)} frames"
            print(f"warning: {count}: {doubt}", file=sys.stderr)
        return list(np.array(frames)[kept]), joints

    def _frame(self, file: str, fitted: bool) -> np.ndarray:
        """People (K, 18, 2) in a frame: in its pixels if `fitted`, else in the model's images."""
        if file.lower().endswith(".json"):
            people = read_openpose(Path(file))
            if not fitted and (people >= self.size).any():
                raise InputError(
                    f"{file} has joints outside a picture of the model of {self.size[0]} x "
                    f"{self.size[1]} pixels (height x width): --fit scales the motion into it"
                )
            return people[(people >= 0).any((1, 2))]
        picture = open_picture(Path(file))
        people = estimators.people(picture, self.device)
        if fitted:
            return people
        # all of them, because they are compared with the pose of the frame before
        return Frame.of(picture.height, picture.width, self.size).place(people)

    def _written(self, text: str, person: int | None, choice: str) -> np.ndarray:
        """Joints (18, 2) of a row of a CSV or of one person in a JSON."""
        if text.endswith(".json"):
            return self._one(read_openpose(Path(text)), person, text, choice)
        path, _, row = text.rpartition(":")
        if not path.endswith(".csv"):
            raise InputError(f"{text!r} is neither FILE.csv:NAME, with a row's name, nor FILE.json")
        return csv_row(Path(path), row)

    def _one(
        self, people: np.ndarray, person: int | None, text: str, choice: str, picture=None, seen=""
    ) -> np.ndarray:
        """Joints (18, 2) of the selected person, or of the only one.

        choice: template of the command-line option that selects a person. picture: the image in
        which the people were detected; on an error it is saved with their numbers, in a file whose
        name ends in `seen`.

        Raises InputError if nobody was detected, the selection is ambiguous, or the torso is
        incomplete.
        """
        if not len(people):
            raise InputError(f"{text}: no person was found in it")
        chosen = 0 if person is None and len(people) == 1 else person
        clear = chosen is not None and chosen < len(people)
        if clear and has_torso(people[chosen]):
            return people[chosen]
        shown = ""
        if picture is not None:
            file = self.output.with_name(f"{self.output.stem}-{seen}.png")
            write_bytes(file, png(numbered(picture, people)))
            shown = f" ({file} shows what was found)"
        if clear:
            require_torso(people[chosen], text + shown)
        found = "1 person was" if len(people) == 1 else f"{len(people)} people were"
        raise InputError(
            f"{text}: {found} found{shown}: choose one, counted from 0, with {choice.format('K')}"
        )


def doubts(picture: Image.Image, joints: np.ndarray, size: tuple[int, int]) -> Iterator[str]:
    """Yield warnings about a source image that a model may handle poorly.

    joints: (18, 2), in pixels of the image. size: (H, W) of the model's images.
    """
    height, width = picture.height, picture.width
    scale = Frame.of(height, width, size).scale
    if scale > ENLARGED:
        yield (
            f"its {height} x {width} pixels (height x width) are enlarged {scale:.1f} times to fit "
            "the model's pictures: the result will be blurred"
        )
    torso, margin = joints[list(TORSO)], MARGIN * max(height, width)
    if (torso < 0).any():
        return  # an incomplete torso is an error later, or is corrected by hand
    share = np.ptp(joints[joints[:, 0] >= 0, 0]) * scale / size[0]
    if share < SMALL:
        yield (
            f"the person covers {share:.0%} of the height of the model's pictures: cut the picture "
            "to one whole person"
        )
    if ((torso < margin) | (torso > [height - 1 - margin, width - 1 - margin])).any():
        yield "the frame cuts the torso, or nearly: use a picture of the whole person"
    if torso[2:, 0].max() < torso[:2, 0].min():
        yield "the hips are above the shoulders: turn the picture if it is upside down"


def pose_doubts(joints: np.ndarray, size: tuple[int, int]) -> Iterator[str]:
    """Yield warnings about a target pose that is unlike those of the training data.

    joints: (18, 2), in images of `size` (H, W), with a whole torso.
    """
    torso = joints[list(TORSO)].astype(float)
    up = torso[:2].mean(0) - torso[2:].mean(0)
    length = np.hypot(*up) / size[0]
    if not TORSO_LENGTHS[0] <= length <= TORSO_LENGTHS[1]:
        small = "shorter" if length < TORSO_LENGTHS[0] else "longer"
        yield (
            f"the pose's torso is {small} than those of the training data "
            f"({TORSO_LENGTHS[0]:.0%} to {TORSO_LENGTHS[1]:.0%} of the image's height): one person "
            "should fill the image"
        )
    if np.degrees(np.arctan2(abs(up[1]), -up[0])) > LEAN:
        yield f"the pose leans by more than {LEAN} degrees, which training hardly saw"


def numbered(picture: Image.Image, people: np.ndarray) -> Image.Image:
    """Draw the skeletons (K, 18, 2) of all people and their numbers on an image."""
    shown = np.asarray(picture)
    for joints in people:
        shown = skeleton(joints, shown)
    image = Image.fromarray(shown)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(max(12, image.height // 20))
    for number, joints in enumerate(people):
        y, x = joints[(joints >= 0).all(-1)].min(0).tolist()
        draw.text((x, y), str(number), (255, 255, 255), font, stroke_width=2, stroke_fill=(0, 0, 0))
    return image


def _split_person(text: str) -> tuple[str, int | None]:
    """ "photo.jpg:2" -> ("photo.jpg", 2); without a number, (text, None)."""
    found = re.fullmatch(r"(.+\.\w+):(\d+)", text)
    return (found[1], int(found[2])) if found else (text, None)
