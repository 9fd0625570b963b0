"""Render a posed person in front of a background, with a z-buffer."""

from typing import NamedTuple

import numpy as np

from vdg.data.synthetic.body import Capsule, Pose, build_body, sample_pose, turn
from vdg.data.synthetic.people import jitter_colour, sample_person

SAMPLES = 2  # supersampling per axis
# maximum depth of a visible joint below the visible surface: an estimator detects joints behind one
# limb, and infers shoulders and hips from the outline
TOLERANCE = np.full(18, 0.075)
TOLERANCE[[1, 2, 5, 8, 11]] = 0.2
TOLERANCE[[9, 12]] = 0.13
TOLERANCE[[0, 14, 15, 16, 17]] = 0.03
# muted colours, as of pavements and facades
GROUNDS = ((146, 144, 140), (160, 154, 144), (128, 130, 132), (174, 166, 154), (126, 138, 106))
GRASS = 4  # index in GROUNDS
WALLS = ((168, 164, 158), (152, 140, 130), (138, 142, 146), (180, 174, 164), (116, 126, 106))


class Picture(NamedTuple):
    """A rendered crop.

    image: uint8, (H, W, 3), RGB.
    keypoints: int16, (18, 2), (row, column) of OpenPose's joints (nose, neck, right shoulder,
        elbow, wrist, left shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle,
        right eye, left eye, right ear, left ear); -1 where a pose estimator would miss the joint.
    silhouette: bool, (H, W), pixels of which the person covers at least one half.
    camera: 1 to 6.
    """

    image: np.ndarray
    keypoints: np.ndarray
    silhouette: np.ndarray
    camera: int


def _noise(rng, y, x, cells):
    """Value noise at the grid of y and x (1-D, in image heights), with `cells` nodes per height."""
    grid = rng.standard_normal((2 * cells, 2 * cells))

    def weights(c):  # linear interpolation weights between the nodes
        return np.maximum(0, 1 - np.abs((c[:, None] + 0.4) * cells - np.arange(2 * cells)))

    return weights(y) @ grid @ weights(x).T


def _background(rng, y, x):
    """A textured wall above a textured ground: (len(y), len(x), 3).

    y, x: 1-D coordinates in image heights, from the crop's upper left corner.
    """
    edge = rng.choice([-1.0, rng.uniform(0.15, 0.75)], p=[0.35, 0.65])  # -1: ground only
    slope = rng.uniform(-0.12, 0.12)
    kind = int(rng.integers(len(GROUNDS)))
    ground, wall = (
        jitter_colour(rng, GROUNDS[kind], 8),
        jitter_colour(rng, WALLS[rng.integers(len(WALLS))], 8),
    )
    post, width, shade = rng.uniform(0, 0.5), rng.uniform(0.02, 0.1), rng.choice([0.7, 0.82, 1.2])

    grain = 5 * _noise(rng, y, x, 3) + 3 * _noise(rng, y, x, 12)
    if kind == GRASS:
        grain += 4 * _noise(rng, y, x, 16)
    Y, X = y[:, None], x[None, :]
    distance = Y - edge - slope * (X - 0.25)
    if rng.random() < 0.5:
        wall = wall * np.where(np.abs(X - post) < width, shade, 1.0)[..., None]
    on_ground = np.clip(distance / 0.008, 0, 1)[..., None]
    picture = (1 - on_ground) * wall + on_ground * ground + grain[..., None]
    return picture - 30 * np.exp(-np.abs(distance) / 0.012)[..., None]


def render(identity: int, view: int, height: int, seed: int) -> Picture:
    """Render one view of an identity, height x height // 2 pixels; height must be even.

    The azimuths of successive views differ by the golden angle, so that the first views of an
    identity already cover the circle evenly.
    """
    rng = np.random.default_rng([2, seed, identity, view])
    person, pose = sample_person(identity, seed), sample_pose(rng)
    camera = int(person.cameras[view % len(person.cameras)])
    place = np.random.default_rng([3, seed, camera])  # light and elevation of the camera
    elevation = place.uniform(4, 16) + rng.uniform(-2, 2)
    light = np.array([place.uniform(-0.7, 0.7), place.uniform(0.5, 1), place.uniform(0.5, 1)])
    light /= np.linalg.norm(light)
    gain = place.uniform(0.88, 1.08) * place.uniform(0.97, 1.03, 3)

    azimuth = person.azimuth + 137.508 * view + rng.uniform(-12, 12)
    parts, joints = build_body(person, pose, turn("x", elevation) @ turn("y", azimuth))

    # crop as a detector does: head near the top, feet near the bottom
    spans = np.array([part.extent() for part in parts])
    (left, bottom), (right, top) = spans[:, 0].min(0), spans[:, 1].max(0)
    tall = (top - bottom) / rng.uniform(0.88, 0.95)  # body heights per image height
    centre = (left + right + 2 * joints[1, 0]) / 4 + tall * rng.uniform(-0.02, 0.02)
    middle = (top + bottom) / 2 + tall * rng.uniform(-0.015, 0.015)

    width, n = height // 2, height * SAMPLES
    y = (np.arange(n) + 0.5) / n
    x = (np.arange(width * SAMPLES) + 0.5) / n
    shift = rng.uniform(-0.03, 0.03, 2)
    scene = _background(
        np.random.default_rng([4, seed, identity, camera]), y + shift[0], x + shift[1]
    )
    rows, columns = middle - (y - 0.5) * tall, centre + (x - 0.25) * tall
    feet = joints[[10, 13]].mean(0)
    spread = ((rows[:, None] - bottom - 0.03) / 0.05) ** 2 + ((columns - feet[0]) / 0.16) ** 2
    scene *= 1 - 0.4 * np.exp(-spread)[..., None]

    depths = _paint(parts, rows, columns, scene, light)
    pixels = (gain * scene).reshape(height, SAMPLES, width, SAMPLES, 3).mean((1, 3))
    inside = np.isfinite(depths).reshape(height, SAMPLES, width, SAMPLES).mean((1, 3)) >= 0.5
    keypoints = _keypoints(joints, depths, middle, centre, tall)
    image = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Picture(image, keypoints, inside, camera)


def _paint(parts: list[Capsule], rows, columns, scene, light) -> np.ndarray:
    """Draw body parts on a scene (H, W, 3) in place. Returns depths (H, W), -inf = background."""
    depths = np.full(scene.shape[:2], -np.inf)
    for part in parts:
        low, high = part.extent()
        i = slice(*np.searchsorted(-rows, [-high[1], -low[1]]))
        j = slice(*np.searchsorted(columns, [low[0], high[0]]))
        grid = np.meshgrid(columns[j], rows[i])
        depth, points, normals = part.hit(grid[0].ravel(), grid[1].ravel())
        near = depth > depths[i, j].ravel()
        shade = 0.62 + 0.46 * np.maximum(0, light @ normals[:, near])
        window = near.reshape(grid[0].shape)
        depths[i, j][window] = depth[near]
        scene[i, j][window] = part.paint(*points[:, near]) * shade[:, None]
    return depths


def _keypoints(joints, depths, middle, centre, tall) -> np.ndarray:
    """Key points as a pose estimator would detect them: int16 (18, 2), -1 = hidden."""
    n = len(depths)
    at = np.stack([(middle - joints[:, 1]) / tall + 0.5, (joints[:, 0] - centre) / tall + 0.25], 1)
    keypoints = np.floor(at * (n // SAMPLES)).astype(np.int16)
    found = ((at >= 0) & (at < [1, 0.5])).all(1)
    sample = np.clip((at * n).astype(int), 0, [n - 1, n // 2 - 1])
    found &= depths[tuple(sample.T)] - joints[:, 2] < TOLERANCE
    keypoints[~found] = -1
    return keypoints


def _both(value: float) -> np.ndarray:
    return np.full(2, float(value))


NAMED_POSES = {
    "stand": {},
    "walk": {
        "leg_flex": np.array([24.0, -18.0]),
        "leg_bend": np.array([8.0, 34.0]),
        "arm_flex": np.array([-20.0, 22.0]),
        "arm_bend": _both(24),
    },
    "arms-up": {"arm_spread": _both(150), "arm_bend": _both(15), "arm_inward": _both(0)},
    "arms-out": {"arm_spread": _both(88), "arm_bend": _both(4), "arm_inward": _both(0)},
    "hands-on-hips": {
        "arm_flex": _both(-18),
        "arm_spread": _both(42),
        "arm_inward": _both(62),
        "arm_bend": _both(95),
    },
    "wave": {"arm_spread": np.array([120.0, 9.0]), "arm_bend": np.array([35.0, 14.0])},
}
"""Poses of `named_keypoints`; omitted angles are those of standing."""


def named_keypoints(name: str, azimuth: float, height: int) -> np.ndarray:
    """Key points of a named pose, as an estimator would detect them: int16 (18, 2), -1 = hidden.

    azimuth: in degrees; 0 faces the camera, 90 the right of the image, 180 away from the camera.
    height: of the image, which is half as wide; the body fills it as in a detector's crop.
    """
    standing = {
        "lean": 2.0,
        "head": (4.0, 0.0),
        "arm_flex": _both(0),
        "arm_spread": _both(9),
        "arm_inward": _both(10),
        "arm_bend": _both(14),
        "leg_flex": _both(0),
        "leg_spread": _both(4),
        "leg_bend": _both(4),
    }
    person, pose = sample_person(1, 0), Pose(**standing | NAMED_POSES[name])
    parts, joints = build_body(person, pose, turn("x", 8) @ turn("y", azimuth))
    spans = np.array([part.extent() for part in parts])
    (left, bottom), (right, top) = spans[:, 0].min(0), spans[:, 1].max(0)
    tall, middle = (top - bottom) / 0.92, (top + bottom) / 2
    centre = (left + right + 2 * joints[1, 0]) / 4
    n = height * SAMPLES
    rows = middle - ((np.arange(n) + 0.5) / n - 0.5) * tall
    columns = centre + ((np.arange(n // 2) + 0.5) / n - 0.25) * tall
    depths = _paint(parts, rows, columns, np.zeros((n, n // 2, 3)), np.array([0.0, 0.0, 1.0]))
    return _keypoints(joints, depths, middle, centre, tall)
