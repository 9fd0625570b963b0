"""The crop of a person as a detector takes it, and what is known of it."""

from typing import NamedTuple

import numpy as np

from vdg.data.rendering.geometry import Shapes
from vdg.data.rendering.raster import SAMPLES, pooled

# maximum depth of a visible joint below the visible surface: an estimator detects joints behind one
# limb, and infers shoulders and hips from the outline
TOLERANCE = np.full(18, 0.075)
TOLERANCE[[1, 2, 5, 8, 11]] = 0.2
TOLERANCE[[9, 12]] = 0.13
TOLERANCE[[0, 14, 15, 16, 17]] = 0.03


class Picture(NamedTuple):
    """A rendered crop.

    image: uint8, (H, W, 3), RGB.
    keypoints: int16, (18, 2), (row, column) of OpenPose's joints (nose, neck, right shoulder,
        elbow, wrist, left shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle,
        right eye, left eye, right ear, left ear); -1 where a pose estimator would miss the joint.
    silhouette: bool, (H, W), pixels of which the person covers at least one half.
    camera: 1 to 6. sequence: from 1, of the camera.
    """

    image: np.ndarray
    keypoints: np.ndarray
    silhouette: np.ndarray
    camera: int
    sequence: int = 1


class Crop(NamedTuple):
    """A window of camera space, height x height // 2 pixels.

    bottom: of the body. tall: of the window, in body heights. middle, centre:
    camera (y, x) of the window's middle.
    """

    bottom: float
    tall: float
    middle: float
    centre: float

    @classmethod
    def around(cls, shapes: Shapes, neck: np.ndarray, fill: float, shift=(0.0, 0.0)):
        """The window that a body fills to the fraction `fill` of its height.

        neck: joint, camera space. shift: (right, up), fractions of the window's height.
        """
        (left, bottom), (right, top) = shapes.low.min((0, 1)), shapes.high.max((0, 1))
        tall = (top - bottom) / fill
        centre = (left + right + 2 * neck[0]) / 4 + tall * shift[0]
        middle = (top + bottom) / 2 + tall * shift[1]
        return cls(bottom, tall, middle, centre)

    def axes(self, height: int, samples: int = SAMPLES):
        """Camera coordinates of the samples, `samples` a pixel: rows (descending), columns."""
        n = height * samples
        rows = self.middle - ((np.arange(n) + 0.5) / n - 0.5) * self.tall
        columns = self.centre + ((np.arange(n // 2) + 0.5) / n - 0.25) * self.tall
        return rows, columns

    def keypoints(self, joints: np.ndarray, depths: np.ndarray) -> np.ndarray:
        """Key points as a pose estimator would detect them: int16 (18, 2), -1 = hidden.

        joints: (18, 3), camera space. depths: of the samples, -inf = background.
        """
        n = len(depths)
        at = np.stack(
            [
                (self.middle - joints[:, 1]) / self.tall + 0.5,
                (joints[:, 0] - self.centre) / self.tall + 0.25,
            ],
            1,
        )
        keypoints = np.floor(at * (n // SAMPLES)).astype(np.int16)
        found = ((at >= 0) & (at < [1, 0.5])).all(1)
        sample = np.clip((at * n).astype(int), 0, [n - 1, n // 2 - 1])
        found &= depths[tuple(sample.T)] - joints[:, 2] < TOLERANCE
        keypoints[~found] = -1
        return keypoints


def silhouette(depths: np.ndarray) -> np.ndarray:
    """Pixels of which the body covers at least one half: bool (H, W)."""
    return pooled(np.isfinite(depths).astype(np.uint8)) >= 0.5
