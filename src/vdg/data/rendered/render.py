"""Render a picture of the benchmark: a dressed person before the scene of a camera."""

import numpy as np

from vdg.data.rendered import scene
from vdg.data.rendered.figure import build
from vdg.data.rendered.wardrobe import sample_person
from vdg.data.rendering.crops import Crop, Picture, silhouette
from vdg.data.rendering.geometry import Shapes, turn
from vdg.data.rendering.poses import sample_pose
from vdg.data.rendering.raster import SAMPLES, Surface, cover, surface

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

    shapes = Shapes(parts)

    fill = rng.uniform(0.88, 0.95)
    shift = rng.uniform(-0.02, 0.02), rng.uniform(-0.015, 0.015)
    crop = Crop.around(shapes, joints[1], fill, shift)
    walked = rng.uniform((-0.6, -0.12), (0.6, 0.12))
    box = scene.window(take.place, walked, fill)
    behind = scene.cut(take.camera, seed, box, height)
    _cast_shadow(behind, crop, joints, light)

    rows, columns = crop.axes(height)
    covered = cover(shapes, rows, columns)
    seen = surface(parts, shapes, rows, columns, covered)
    lit = _brightness(seen.normals, light)
    lit *= 1 - _occlusion(covered.depths).ravel()[seen.pixel]
    pixels = light.gain * _composed(seen, lit, behind)
    pixels = _blurred(pixels, light.blur)
    image = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return Picture(
        image,
        crop.keypoints(joints, covered.depths),
        silhouette(covered.depths),
        take.camera,
        take.sequence,
    )


def _brightness(normals: np.ndarray, light: scene.Light) -> np.ndarray:
    """Light that leaves a surface of these normals (3, N), as a share of its colour: (N,)."""
    x, y, z = light.direction
    lit = light.ambient * (0.86 + 0.14 * normals[1])  # more from the sky than from the ground
    lit += light.direct * np.maximum(0, x * normals[0] + y * normals[1] + z * normals[2])
    return lit * (0.8 + np.minimum(0.2, 0.32 * normals[2]))  # round limbs darken at their outline


def _composed(seen: Surface, lit: np.ndarray, behind: np.ndarray) -> np.ndarray:
    """Pixels of a body, lit (N,), before what is `behind` it: (H, W, 3), as behind."""
    height, width, _ = behind.shape
    body = [
        np.bincount(seen.pixel, lit * channel, height * width).reshape(height, width)
        for channel in seen.colours
    ]
    covered = np.bincount(seen.pixel, minlength=height * width).reshape(height, width, 1)
    return np.stack(body, 2) / SAMPLES**2 + (1 - covered / SAMPLES**2) * behind


def _cast_shadow(behind: np.ndarray, crop: Crop, joints: np.ndarray, light) -> None:
    """Darken the ground (H, W, 3) in place: under the feet, and away from the light."""
    rows, columns = crop.axes(len(behind), samples=1)
    ground = slice(int(np.searchsorted(-rows, -crop.bottom - 0.16)), None)
    rows = rows[ground, None]
    shadow = np.zeros((len(rows), len(columns)))
    for foot in joints[[10, 13]]:
        near = np.exp(-(((rows - foot[1] + 0.045) / 0.028) ** 2))
        np.maximum(shadow, near * np.exp(-(((columns - foot[0]) / 0.07) ** 2)), out=shadow)
    middle = joints[[10, 13], 0].mean() - 0.16 * light.direction[0]
    long = np.exp(-(((rows - crop.bottom - 0.02) / 0.04) ** 2))
    long = long * np.exp(-(((columns - middle) / 0.2) ** 2))
    behind[ground] *= (1 - 0.42 * shadow - 0.45 * light.direct * long)[..., None]


def _occlusion(depths: np.ndarray) -> np.ndarray:
    """How much of the light nearer parts keep from each pixel, from 0 to 0.5: (H, W).

    depths: of the samples, -inf = background. A pixel darkens where, a few pixels away, the body
    is nearer to the camera by some hundredths of its height, as a chest beside an arm.
    """
    small = depths[::SAMPLES, ::SAMPLES]
    height, width = small.shape
    scale = height / 128
    reach = round(max(abs(step) for steps in NEARBY for step in steps) * scale)
    padded = np.full((height + 2 * reach, width + 2 * reach), -np.inf)
    padded[reach:-reach, reach:-reach] = small
    dark = np.zeros(small.shape)
    with np.errstate(invalid="ignore"):  # background behind background
        for down, right in NEARBY:
            i, j = reach - round(down * scale), reach - round(right * scale)
            ahead = padded[i : i + height, j : j + width] - small
            ahead[~(ahead < 0.2)] = 0  # nan, too
            dark += np.minimum(np.maximum(ahead, 0), 0.05)
    return np.minimum(3.2 * dark, 0.5)


def _blurred(pixels: np.ndarray, share: float) -> np.ndarray:
    """Give each pixel's neighbours, along either axis, a share of it."""
    for axis in (0, 1):
        pixels = np.moveaxis(pixels, axis, 0)
        padded = np.concatenate([pixels[:1], pixels, pixels[-1:]])
        pixels = (1 - 2 * share) * pixels + share * (padded[:-2] + padded[2:])
        pixels = np.moveaxis(pixels, 0, axis)
    return pixels
