"""Render a picture of the benchmark: a dressed person before the scene of a camera."""

import numpy as np

from vdg.data.rendered import scene
from vdg.data.rendered.figure import build
from vdg.data.rendered.wardrobe import sample_person
from vdg.data.rendering.crops import Crop, Picture, silhouette
from vdg.data.rendering.geometry import turn
from vdg.data.rendering.poses import sample_pose
from vdg.data.rendering.raster import NOTHING, SAMPLES, cover, pooled, surface

ACTIONS = {"walk": 0.6, "stand": 0.2, "hips": 0.05, "wave": 0.04, "call": 0.06, "carry": 0.05}
NEARBY = ((0, 6), (0, -6), (-6, 0), (4, 5), (4, -5), (-10, 0))
"""Steps (rows, columns) at 128 pixels' height to what may keep the light from a surface."""


def render(identity: int, view: int, height: int, seed: int) -> Picture:
    """Render one view of an identity, height x height // 2 pixels; height must be even.

    The azimuths of successive views differ by the golden angle, so that the first views of an
    identity already cover the circle evenly; its takes follow one another.
    """
    rng = np.random.default_rng([12, seed, identity, view])
    person, pose = sample_person(identity, seed), sample_pose(rng, ACTIONS)
    take = person.takes[view % len(person.takes)]
    light = scene.light(take.camera, take.sequence, seed)
    azimuth = person.azimuth + 137.508 * view + rng.uniform(-12, 12)
    elevation = light.elevation + rng.uniform(-2, 2)
    parts, joints = build(person, pose, turn("x", elevation) @ turn("y", azimuth))

    fill = rng.uniform(0.88, 0.95)
    shift = rng.uniform(-0.02, 0.02), rng.uniform(-0.015, 0.015)
    crop = Crop.around(parts, joints[1], fill, shift)
    walked = rng.uniform((-0.6, -0.12), (0.6, 0.12))
    box = scene.window(take.camera, seed, take.place, walked, fill)
    behind = scene.cut(take.camera, seed, box, height) * light.gain
    _cast_shadow(behind, crop, joints, light)

    rows, columns = crop.axes(height)
    covered = cover(parts, rows, columns)
    seen = surface(parts, rows, columns, covered)
    lit = light.ambient * (0.86 + 0.14 * seen.normals[1])  # more from the sky than from the ground
    lit += light.direct * np.maximum(0, light.direction @ seen.normals)
    lit *= 0.8 + 0.2 * np.minimum(1, 1.6 * seen.normals[2])  # round limbs darken at their outline
    lit *= 1 - _occlusion(covered.depths).ravel()[seen.at]
    samples = np.zeros((*covered.depths.shape, 3))
    samples.reshape(-1, 3)[seen.at] = seen.colours * lit[:, None] * light.gain
    share = pooled((covered.owners != NOTHING).astype(np.uint8))
    pixels = pooled(samples) + (1 - share)[..., None] * behind
    pixels = _blurred(pixels, light.blur)
    pixels += rng.normal(0, 1.5, (height, height // 2, 1))
    image = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Picture(
        image,
        crop.keypoints(joints, covered.depths),
        silhouette(covered.depths),
        take.camera,
        take.sequence,
    )


def _cast_shadow(behind: np.ndarray, crop: Crop, joints: np.ndarray, light) -> None:
    """Darken the ground (H, W, 3) in place: under the feet, and away from the light."""
    rows, columns = crop.axes(len(behind), samples=1)
    below = (rows - crop.bottom - 0.02)[:, None]
    away = -0.16 * light.direction[0]
    shadow = np.zeros(behind.shape[:2])
    for foot in joints[[10, 13]]:
        near = (rows[:, None] - foot[1] + 0.045) / 0.028
        np.maximum(shadow, np.exp(-(near**2) - ((columns - foot[0]) / 0.07) ** 2), out=shadow)
    middle = joints[[10, 13], 0].mean() + away
    long = np.exp(-((below / 0.04) ** 2) - ((columns - middle) / 0.2) ** 2)
    behind *= (1 - 0.42 * shadow - 0.45 * light.direct * long)[..., None]


def _occlusion(depths: np.ndarray) -> np.ndarray:
    """How much of the light nearer parts keep from each sample, from 0 to 0.5.

    depths: (H, W), -inf = background. A sample darkens where, a few pixels away, the body is nearer
    to the camera by some hundredths of its height, as a chest beside an arm.
    """
    small = depths[::SAMPLES, ::SAMPLES]
    scale = len(small) / 128
    dark = np.zeros(small.shape)
    with np.errstate(invalid="ignore"):  # background behind background
        for down, right in NEARBY:
            i, j = round(down * scale), round(right * scale)
            ahead = np.roll(small, (i, j), (0, 1)) - small
            dark += np.where((ahead > 0.012) & (ahead < 0.2), np.minimum(ahead, 0.05), 0)
    return np.repeat(np.repeat(np.minimum(dark * 3.2, 0.5), SAMPLES, 0), SAMPLES, 1)


def _blurred(pixels: np.ndarray, share: float) -> np.ndarray:
    """Give each pixel's neighbours, along either axis, a share of it."""
    for axis in (0, 1):
        pixels = np.moveaxis(pixels, axis, 0)
        padded = np.concatenate([pixels[:1], pixels, pixels[-1:]])
        pixels = (1 - 2 * share) * pixels + share * (padded[:-2] + padded[2:])
        pixels = np.moveaxis(pixels, 0, axis)
    return pixels
