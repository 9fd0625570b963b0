"""Resolve command-line arguments to key points: named pose, row of a CSV, JSON, image, frames."""

import itertools
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vdg import estimators
from vdg.data.fitting import Frame, open_picture
from vdg.data.synthetic.render import NAMED_POSES
from vdg.drawing import skeleton
from vdg.errors import InputError
from vdg.files import write_bytes
from vdg.inference import frames, motion
from vdg.inference.outputs import png
from vdg.inference.transfer import named_pose, require_torso
from vdg.keypoints import formats, reading, units
from vdg.keypoints.reading import BY_CONTENT, KeypointFile, Options, Shot
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
    image are drawn. options: how files of key points are read where their content does not say it.
    """

    def __init__(self, size: tuple[int, int], device, output: Path, options: Options = BY_CONTENT):
        self.size, self.device, self.output, self.options = size, device, output, options

    def source(self, path: Path, picture: Image.Image, given: str | None, person: int | None):
        """Joints (18, 2) of the source image.

        given: a file of key points, FILE, FILE:NAME or FILE:K, in pixels of the original image, or
        of a canvas of its shape that the file names; None estimates them. person: which of several
        in the file or in the image.

        Raises InputError as `_one` does, for many joints outside the image, and for a `person`
        beside a row of a CSV.
        """
        if given is None:
            people = estimators.people(picture, self.device)
            joints = self._one(people, person, str(path), "--person {}", picture, "people")
            shown = joints
        else:
            written = self._chosen(given, person, "--person {}", str(path))
            size = (picture.height, picture.width)
            places = reading.placed(*written, size, "the source", "give them in its pixels")
            reading.say(written[0].notes)
            joints, shown = units.indices(places), units.pixels(places)
        for doubt in doubts(picture, shown, self.size):
            print(f"warning: {path}: {doubt}", file=sys.stderr)
        placed = Frame.of(picture.height, picture.width, self.size).place(joints)
        require_torso(placed, given or str(path))
        return placed

    def target(self, text: str):
        """Joints (18, 2) of a target pose.

        Key points are in pixels of the picture whose size the options or the file say, which is
        fitted as a source is; else of the model's images.
        """
        if text.partition("@")[0] in NAMED_POSES:
            return named_pose(text, self.size)
        path, _ = reading.split_choice(text)
        file, person = _split_person(text)
        if reading.is_keypoints(path):
            joints = self._written_pose(text, f"--pose {_split_person(text)[0]}:{{}}")
        elif Path(file).suffix or Path(file).is_file():
            picture = open_picture(Path(file))
            people = estimators.people(picture, self.device)
            choice = f"--pose {file}:{{}}"
            joints = self._one(people, person, file, choice, picture, "pose-people")
            joints = Frame.of(picture.height, picture.width, self.size).place(joints)
        else:
            return named_pose(text, self.size)  # its error lists the named poses
        require_torso(joints, text)
        for doubt in pose_doubts(joints, self.size):
            print(f"warning: {text}: {doubt}", file=sys.stderr)
        return joints

    def motion(
        self, files: list[str], smoothed: bool, fitted: bool
    ) -> tuple[list[str], np.ndarray]:
        """The frames that show a person, and their joints int16 (T, 18, 2).

        files: of key points and images, in order; see `frames.read`. Of several people, the one
        nearest to the frame before is followed. smoothed: see `motion.smooth`. fitted: the frames
        may be of any size, and `motion.fit` brings them into the model's. Frames without a whole
        torso are left out, in one line each.
        """
        names, poses, before = [], [], None
        for file, seen in frames.read(files, self.size, fitted, self.options, self.device):
            people = seen[~np.isnan(seen).all((1, 2))]
            if len(people) > 1 and before is None:
                raise InputError(
                    f"{file}: {len(people)} people were found in the first frame with people: "
                    "begin with a frame of one person, who is then followed"
                )
            if len(people) > 1:
                known = (np.nan_to_num(p, nan=-1) for p in (people, before[None]))
                away = pose_distance(next(known), np.repeat(next(known), len(people), 0))
                people = people[[np.argmin(np.nan_to_num(away, nan=np.inf))]]
            if len(people):
                before = people[0]
            names.append(file)
            poses.append(people[0] if len(people) else np.full((18, 2), np.nan))
        if len(names) < 2:
            raise InputError(f"{' '.join(files)}: a motion has two frames or more")
        if before is None:
            raise InputError(f"{names[0]} and {len(names) - 1} other frames: no person was found")
        tracks = motion.smooth(np.stack(poses)) if smoothed else np.stack(poses)
        tracks = motion.fit(tracks, self.size) if fitted else tracks
        kept = motion.whole(tracks)
        for file in itertools.compress(names, ~kept):
            print(f"{file}: nobody with both shoulders and hips: left out", file=sys.stderr)
        if kept.sum() < 2:
            raise InputError(f"{names[0]}, ...: {kept.sum()} frames show a whole torso, not 2")
        joints = motion.pixels(tracks[kept], self.size)
        doubts = [doubt for pose in joints for doubt in pose_doubts(pose, self.size)]
        for doubt in dict.fromkeys(doubts):
            count = f"{doubts.count(doubt)} of {len(joints)} frames"
            print(f"warning: {count}: {doubt}", file=sys.stderr)
        return list(itertools.compress(names, kept)), joints

    def _written_pose(self, text: str, choice: str) -> np.ndarray:
        """Joints (18, 2) of a target pose in a file of key points."""
        file, shot, joints = self._chosen(text, None, choice, None)
        own = self.options.size or shot.size
        image = "its picture" if own else "a picture of the model"
        remedy = "give the size of that one with --pose-size HxW"
        places = reading.placed(file, shot, joints, own or self.size, image, remedy)
        reading.say(file.notes)
        return units.pixels(Frame.of(*own, self.size).exact(places) if own else places)

    def _chosen(
        self, text: str, person: int | None, choice: str, name: str | None
    ) -> tuple[KeypointFile, Shot, np.ndarray]:
        """One person's joints (18, 2) in a file of key points, in its unit, and where they stand.

        text: FILE, FILE:NAME, FILE:K or FILE:NAME:K. person: K, if it is not in the text. name: the
        path of the picture that is meant in a file of several. choice: as of `_one`.
        """
        path, chosen = reading.split_choice(text)
        file = reading.read(path, self.options)
        reading.say([file.about()])
        shot, numbered = reading.select(file, chosen, name)
        if person is not None and (file.format == formats.CSV or numbered is not None):
            raise InputError(
                f"--person {person}: {text} is of one person: leave --person out, or name the "
                "row of the other in --keypoints"
            )
        if numbered is not None and file.format == formats.CSV:
            raise InputError(f"{text}: a row of a CSV is of one person: leave :{numbered} out")
        wanted = person if numbered is None else numbered
        if wanted is not None and shot.numbers and wanted not in shot.numbers:
            listed = ", ".join(map(str, shot.numbers))
            raise InputError(
                f"{text}: person {wanted} is not in it: choose one of {listed} with "
                f"{choice.format('K')}"
            )
        place = None if wanted is None or not shot.numbers else shot.numbers.index(wanted)
        missing = np.where(np.isnan(shot.people), -1, 0)
        try:
            self._one(missing, place, text, choice)
        except InputError:
            reading.say(file.notes)  # they may say why
            raise
        return file, shot, shot.people[place or 0]

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
    parts = re.fullmatch(r"(.+\.\w+):(\d+)", text)
    return (parts[1], int(parts[2])) if parts else (text, None)
