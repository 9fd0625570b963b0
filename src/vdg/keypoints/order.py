"""Whether the joints of a file are in the order that it says, by the anatomy of its people.

The figures are of the published key points: the neck is within .05 torsos of the shoulders' middle
in 99 %, within .16 in 99.9 %; the right eye is on the left in 99.9 % of people with both eyes.
"""

from collections.abc import Iterator

import numpy as np

from vdg.keypoints.skeletons import COCO, NECK, SHOULDERS
from vdg.pose import JOINTS

HIPS = JOINTS.index("right hip"), JOINTS.index("left hip")
EYES = JOINTS.index("right eye"), JOINTS.index("left eye")
AWAY = 0.35  # torsos between the neck and the shoulders' middle
MOST = 0.7  # of a file's people that show a mistake; single people may do anything
NECK_LAST = [(*COCO, "neck").index(name) for name in JOINTS]


def doubts(people: np.ndarray) -> Iterator[str]:
    """Yield what looks exchanged in most of a file's people (K, 18, 2), (y, x), nan = missing."""
    if _most(_neck_away(people)):
        if _most(1 - _neck_away(people[:, NECK_LAST])):
            yield "the joints look like COCO's with the neck last: reorder them to OpenPose's"
        else:
            yield (
                "the neck is not between the shoulders: the joints are in another order than "
                "OpenPose's, or the pose is no person's"
            )
    elif _most(_lying(people)):
        yield "the people lie on their sides: if they stand, x and y are exchanged"
    elif _most(_eyes_exchanged(people)):
        yield (
            "the right eye is on the picture's right, as in no face: left and right are exchanged, "
            "or the picture is mirrored"
        )


def crowned(people: np.ndarray) -> np.ndarray:
    """bool (K,): whose neck lies above the nose, as AlphaPose's --format open writes the top of
    the head there from models of 26 and 136 joints."""
    middle, _ = _torso(people)
    neck, nose = people[:, NECK, 0], people[:, 0, 0]
    above = (_neck_away(people) == 1) & (neck < nose) & (nose < middle[:, 0])
    eyes = people[:, list(EYES), 0]  # in a file of another order they are not in the face
    outside = (eyes < neck[:, None]) | (eyes > middle[:, :1])
    return above & ~outside.any(1)


def _most(flags: np.ndarray) -> bool:
    """Whether most of the flags, 0 or 1, are set. nan: it cannot be told."""
    told = flags[~np.isnan(flags)]
    return bool(len(told)) and told.mean() >= MOST


def _torso(people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The middle of the shoulders (K, 2) and the way from there to that of the hips (K, 2)."""
    middle = people[:, list(SHOULDERS)].mean(1)
    return middle, people[:, list(HIPS)].mean(1) - middle


def _neck_away(people: np.ndarray) -> np.ndarray:
    """Flags (K,): whether the neck is far from the shoulders."""
    middle, down = _torso(people)
    away = np.hypot(*(people[:, NECK] - middle).T)
    return _flag(away > AWAY * np.hypot(*down.T), away + down[:, 0])


def _lying(people: np.ndarray) -> np.ndarray:
    _, down = _torso(people)
    return _flag(np.abs(down[:, 1]) > 2 * np.abs(down[:, 0]), down[:, 0])


def _eyes_exchanged(people: np.ndarray) -> np.ndarray:
    _, down = _torso(people)
    right, left = people[:, EYES[0], 1], people[:, EYES[1], 1]
    upright = down[:, 0] > np.abs(down[:, 1])
    return _flag(right > left, np.where(upright, right + left, np.nan))


def _flag(wrong: np.ndarray, told: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(told), np.nan, wrong)
