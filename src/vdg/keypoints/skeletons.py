"""The joints of other tools, and how they become OpenPose's 18.

A tool's order is a tuple of names; a joint that the 18 lack has a name that nothing looks up.
"""

import re
from collections.abc import Sequence

import numpy as np

from vdg.pose import JOINTS

NECK = JOINTS.index("neck")
SHOULDERS = JOINTS.index("right shoulder"), JOINTS.index("left shoulder")


def _both(*parts: str) -> tuple[str, ...]:
    return tuple(f"{side} {part}" for part in parts for side in ("left", "right"))


COCO = ("nose", *_both("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"))
BODY_25 = (*JOINTS[:8], "middle of the hips", *JOINTS[8:], *[""] * 6)
HALPE = (*COCO, "top of the head", "neck", "middle of the hips", *[""] * 6)
MEDIAPIPE = (
    *("nose", "", "left eye", "", "", "right eye", "", "left ear", "right ear", "", ""),
    *(*_both("shoulder", "elbow", "wrist"), *[""] * 6, *_both("hip", "knee", "ankle"), *[""] * 4),
)

ORDERS = {
    17: ("COCO", COCO),
    18: ("OpenPose", JOINTS),
    25: ("OpenPose", BODY_25),
    26: ("Halpe", HALPE),
    33: ("MediaPipe", MEDIAPIPE),
    133: ("COCO-WholeBody", (*COCO, *[""] * 116)),
    136: ("Halpe", (*HALPE, *[""] * 110)),
}
"""Whose joints they are, by their number, and their names in order."""


def to_openpose(points: np.ndarray, scores: np.ndarray, names: Sequence[str]):
    """Points (J, 2) and scores (J,) of named joints as OpenPose's: (18, 2) and (18,).

    Joints that are not named have nan and score 0. A neck that is not named is the middle of the
    shoulders, with the lower of their scores.
    """
    place = {name: index for index, name in enumerate(names)}
    joints, found = np.full((len(JOINTS), 2), np.nan), np.zeros(len(JOINTS))
    for joint, name in enumerate(JOINTS):
        if name in place:
            joints[joint], found[joint] = points[place[name]], scores[place[name]]
    if "neck" not in place:
        shoulders = joints[list(SHOULDERS)]
        shoulders[marked(shoulders)] = np.nan
        joints[NECK], found[NECK] = shoulders.mean(0), found[list(SHOULDERS)].min()
    return joints, found


def marked(points: np.ndarray) -> np.ndarray:
    """bool (...,): whether points (..., 2) stand for a missing joint: 0, 0 or -1, -1."""
    return (points == 0).all(-1) | (points == -1).all(-1)


def joint_name(label: str) -> str | None:
    """The name in JOINTS of a label as people write it, LShoulder or left_shoulder; or None."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=\b[LR])(?=[A-Z])", " ", label)
    words = [word.lower() for word in re.findall("[A-Za-z]+", spaced)]
    sides = {"l": "left", "left": "left", "r": "right", "right": "right"}
    side = [sides[word] for word in words if word in sides]
    parts = [word for word in words if word not in sides]
    if len(parts) != 1:
        return None
    name = " ".join([*side, parts[0]])
    for found in (name, name.removesuffix("s")):
        if found in JOINTS:
            return found
    return None
