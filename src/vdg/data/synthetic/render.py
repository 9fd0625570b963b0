"""Render a posed person in front of a background."""

import numpy as np

from vdg.data.rendering.crops import Crop, Picture, silhouette
from vdg.data.rendering.geometry import Shapes, turn
from vdg.data.rendering.palette import jitter_colour
from vdg.data.rendering.poses import Pose, sample_pose
from vdg.data.rendering.raster import SAMPLES, cover, pooled, surface
from vdg.data.synthetic.body import build_body
from vdg.data.synthetic.people import sample_person

# muted colours, as of pavements and facades
GROUNDS = ((146, 144, 140), (160, 154, 144), (128, 130, 132), (174, 166, 154), (126, 138, 106))
GRASS = 4  # index in GROUNDS
WALLS = ((168, 164, 158), (152, 140, 130), (138, 142, 146), (180, 174, 164), (116, 126, 106))


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
    fill = rng.uniform(0.88, 0.95)
    shift = rng.uniform(-0.02, 0.02), rng.uniform(-0.015, 0.015)
    shapes = Shapes(parts)
    crop = Crop.around(shapes, joints[1], fill, shift)
    rows, columns = crop.axes(height)

    n = height * SAMPLES
    shift = rng.uniform(-0.03, 0.03, 2)
    scene = _background(
        np.random.default_rng([4, seed, identity, camera]),
        (np.arange(n) + 0.5) / n + shift[0],
        (np.arange(n // 2) + 0.5) / n + shift[1],
    )
    feet = joints[[10, 13]].mean(0)
    spread = ((rows[:, None] - crop.bottom - 0.03) / 0.05) ** 2 + ((columns - feet[0]) / 0.16) ** 2
    scene *= 1 - 0.4 * np.exp(-spread)[..., None]

    covered = cover(shapes, rows, columns)
    seen = surface(parts, shapes, rows, columns, covered)
    shade = 0.62 + 0.46 * np.maximum(0, light @ seen.normals)
    scene.reshape(-1, 3)[seen.at] = (seen.colours * shade).T
    image = np.clip(np.rint(pooled(gain * scene)), 0, 255).astype(np.uint8)
    return Picture(
        image, crop.keypoints(joints, covered.depths), silhouette(covered.depths), camera
    )


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
    shapes = Shapes(parts)
    crop = Crop.around(shapes, joints[1], 0.92)
    return crop.keypoints(joints, cover(shapes, *crop.axes(height)).depths)
