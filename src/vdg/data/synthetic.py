"""The embedded data set: made-up people as surveillance crops, in Market-1501's layout.

No public data set of people may be shipped with code, so this module draws one: articulated
bodies of tapered capsules, seen by orthographic cameras, shaded through a z-buffer. A picture
depends on nothing but (seed, identity, view).

Frames are right-handed: x to the person's left, y up, z out of the chest; in camera space x to
the right of the picture, y up, z towards the camera. Lengths are in body heights. Every body part
hangs down the -y axis of its own frame.
"""

import contextlib
import functools
import io
import itertools
import multiprocessing
import os
import zipfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from tqdm import tqdm

from vdg.data.annotations import write_keypoints
from vdg.data.silhouettes import write_silhouettes
from vdg.errors import InputError
from vdg.files import replacing

CAMERAS = 6  # as in Market-1501
SAMPLES = 2  # supersampling per axis
WORTH_A_PROCESS = 200  # pictures that each process must have to draw, or there is one alone
UPPER_ARM, FOREARM, LEG = 0.165, 0.14, 0.24  # LEG: thigh and shin each
# how deep below the visible surface a joint is still found: an estimator sees through one limb,
# and guesses shoulders and hips from the outline
TOLERANCE = np.full(18, 0.075)
TOLERANCE[[1, 2, 5, 8, 11]] = 0.2
TOLERANCE[[9, 12]] = 0.13
TOLERANCE[[0, 14, 15, 16, 17]] = 0.03

GARMENTS = {
    "black": (30, 30, 33),
    "white": (232, 232, 228),
    "grey": (128, 130, 132),
    "light grey": (182, 184, 186),
    "dark grey": (72, 74, 78),
    "navy": (34, 42, 84),
    "blue": (44, 88, 176),
    "light blue": (142, 184, 224),
    "teal": (28, 122, 126),
    "red": (190, 36, 40),
    "maroon": (104, 26, 42),
    "orange": (222, 122, 42),
    "yellow": (228, 200, 66),
    "green": (48, 130, 66),
    "olive": (98, 102, 52),
    "khaki": (168, 152, 108),
    "beige": (212, 194, 162),
    "brown": (104, 70, 46),
    "pink": (230, 154, 176),
    "purple": (110, 66, 140),
}
BOTTOMS = (
    "black",
    "dark grey",
    "navy",
    "blue",
    "grey",
    "khaki",
    "beige",
    "brown",
    "olive",
    "white",
)
SHOES = ("black", "white", "brown", "grey", "navy", "red")
SKINS = ((240, 205, 180), (228, 186, 152), (205, 158, 122), (168, 118, 84), (112, 74, 52))
HAIRS = ((22, 19, 18), (46, 32, 24), (86, 58, 36), (150, 108, 62), (206, 172, 112), (140, 140, 142))
# muted, as pavements and facades are: the person is what a generator has to carry over
GROUNDS = ((146, 144, 140), (160, 154, 144), (128, 130, 132), (174, 166, 154), (126, 138, 106))
GRASS = 4  # of the grounds
WALLS = ((168, 164, 158), (152, 140, 130), (138, 142, 146), (180, 174, 164), (116, 126, 106))


class Picture(NamedTuple):
    """One crop.

    image: uint8, (H, W, 3), RGB.
    keypoints: int16, (18, 2), (row, column) of OpenPose's joints (nose, neck, right shoulder,
        elbow, wrist, left shoulder, elbow, wrist, right hip, knee, ankle, left hip, knee, ankle,
        right eye, left eye, right ear, left ear); -1 where a pose estimator would not find one.
    silhouette: bool, (H, W), the pixels that the person covers by at least one half.
    camera: 1 to 6.
    """

    image: np.ndarray
    keypoints: np.ndarray
    silhouette: np.ndarray
    camera: int


class Cloth(NamedTuple):
    """A two-coloured fabric, as a function of the surface point in the frame of the bone."""

    pattern: str
    colours: np.ndarray  # (2, 3)
    period: float

    def __call__(self, x, y):
        rings = np.sin(2 * np.pi / self.period * y) > 0
        bars = np.cos(2 * np.pi / self.period * x) > 0  # even in x: left and right are alike
        second = {
            "plain": np.zeros(len(x)),
            "horizontal": rings,
            "vertical": bars,
            "check": rings ^ bars,
            "tartan": (rings.astype(float) + bars) / 2,
        }[self.pattern][:, None]
        return self.colours[0] * (1 - second) + self.colours[1] * second


class Person(NamedTuple):
    """What all pictures of an identity share."""

    skin: np.ndarray
    hair: np.ndarray
    hair_length: float  # below the crown; 0 is bald, above 0.2 covers the nape
    top: Cloth
    bottom: Cloth
    shoes: np.ndarray
    sleeves: float  # along the arm: 0 none, 1 to the elbow, 2 to the wrist
    trousers: float  # along the leg: -1 none, 1 to the knee, 2 to the ankle
    skirt: float  # length below the waist; 0 is none
    skirt_cloth: Cloth
    hem: float  # where top meets bottom, above the hips
    girth: float
    shoulders: float
    torso: float
    azimuth: float
    cameras: np.ndarray


class Capsule(NamedTuple):
    """The hull of two spheres, stretched by (x, z): a tapered limb of elliptic section."""

    origin: np.ndarray
    axes: np.ndarray  # (3, 3), columns x, y, z of the part's frame
    length: float
    radii: tuple[float, float]
    paint: Callable  # (x, y, z) of surface points in the part's frame -> colours
    stretch: tuple[float, float] = (1.0, 1.0)
    capped: bool = True

    def extent(self):
        """Lowest and highest (x, y) that it covers in camera space."""
        tip = self.origin - self.length * self.axes[:, 1]
        reach = np.linalg.norm(self.axes * (self.stretch[0], 1, self.stretch[1]), axis=1)
        ends, radii = np.stack([self.origin, tip]), np.array(self.radii)[:, None]
        return (ends - radii * reach).min(0)[:2], (ends + radii * reach).max(0)[:2]

    def hit(self, x, y):
        """Depths where rays at camera (x, y) first meet the part (-inf: never).

        The part is the union of spheres with centre c(t) and radius r(t), both linear in t. On
        its surface |p - c|^2 = r^2 and the derivative by t vanishes, which leaves a quadratic in
        the depth; the two end spheres close it. Returns depth, points and normals in the part's
        frame.
        """
        shrink = np.array([1 / self.stretch[0], 1, 1 / self.stretch[1]])
        inward = shrink[:, None] * self.axes.T
        rays = inward[:, :2] @ np.stack([x, y]) - (inward @ self.origin)[:, None]
        toward = inward[:, 2]
        speed, along = toward @ toward, toward @ rays
        square = np.einsum("ip,ip->p", rays, rays)
        (r0, r1), axis = self.radii, -self.length
        slope = r1 - r0
        norm = axis**2 - slope**2

        def root(a, b, c):
            with np.errstate(invalid="ignore"):
                depth = (np.sqrt(b * b - a * c) - b) / a
            return np.where(np.isnan(depth), -np.inf, depth)

        u, w = rays[1] * axis + r0 * slope, toward[1] * axis
        depth = np.full(len(x), -np.inf)
        if speed > w * w / norm:  # otherwise the view is along the axis: end spheres only
            depth = root(speed - w * w / norm, along - u * w / norm, square - r0**2 - u * u / norm)
        flat = np.where(np.isfinite(depth), depth, 0)
        t = (u + flat * w) / norm
        depth = np.where((t >= 0) & (t <= 1), depth, -np.inf)
        if self.capped:
            start = root(speed, along, square - r0**2)
            end = root(
                speed, along - axis * toward[1], square - 2 * axis * rays[1] + axis**2 - r1**2
            )
            t = np.where(start > depth, 0, t)
            depth = np.maximum(depth, start)
            t = np.where(end > depth, 1, t)
            depth = np.maximum(depth, end)
        points = rays + np.where(np.isfinite(depth), depth, 0) * toward[:, None]
        normals = points.copy()
        normals[1] -= np.clip(t, 0, 1) * axis
        normals = inward.T @ normals
        normals /= np.linalg.norm(normals, axis=0) + 1e-9
        return depth, points / shrink[:, None], normals


def _turn(axis: str, angle: float) -> np.ndarray:
    """Right-handed rotation about an axis; angle in degrees."""
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.array(
        {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )


def _colour(rng, value, jitter=6) -> np.ndarray:
    return np.clip(np.array(value) + rng.uniform(-jitter, jitter, 3), 4, 250)


def _cloth(rng, names, patterns: dict[str, float]) -> Cloth:
    pattern = rng.choice(list(patterns), p=list(patterns.values()))
    first = np.array(GARMENTS[rng.choice(names)])
    # a second colour that stays apart at a few pixels
    others = [c for c in GARMENTS.values() if np.abs(first - c).mean() > 70]
    second = others[rng.integers(len(others))]
    colours = np.stack([_colour(rng, first), _colour(rng, second)])
    return Cloth(str(pattern), colours, rng.uniform(0.14, 0.2))


def _person(identity: int, seed: int) -> Person:
    rng = np.random.default_rng([1, seed, identity])
    names = list(GARMENTS)
    patterned = {"plain": 0.5, "horizontal": 0.24, "vertical": 0.08, "check": 0.1, "tartan": 0.08}
    top = _cloth(rng, names, patterned)
    bottom = _cloth(rng, BOTTOMS, {"plain": 0.92, "check": 0.04, "tartan": 0.04})
    outfit = rng.choice(
        ["trousers", "shorts", "skirt", "dress", "coat"], p=[0.56, 0.18, 0.1, 0.08, 0.08]
    )
    skin = _colour(rng, SKINS[rng.integers(len(SKINS))])
    sleeves = 2.0 if outfit == "coat" else rng.choice([0.0, 0.62, 2.0], p=[0.12, 0.46, 0.42])
    skirt = {"skirt": rng.uniform(0.2, 0.3), "dress": rng.uniform(0.24, 0.34), "coat": 0.2}
    return Person(
        skin=skin,
        hair=_colour(rng, HAIRS[rng.integers(len(HAIRS))]),
        hair_length=rng.choice([0.0, 0.1, rng.uniform(0.22, 0.3)], p=[0.06, 0.5, 0.44]),
        top=top,
        bottom=bottom,
        shoes=_colour(rng, GARMENTS[rng.choice(SHOES)]),
        sleeves=sleeves,
        trousers={"trousers": 2.0, "coat": 2.0, "shorts": rng.uniform(0.75, 1.05)}.get(
            outfit, -1.0
        ),
        skirt=skirt.get(outfit, 0.0),
        skirt_cloth=bottom if outfit == "skirt" else top,
        hem={"skirt": 0.06, "dress": -1.0, "coat": -1.0}.get(outfit, rng.uniform(0.0, 0.05)),
        girth=rng.uniform(0.92, 1.2),
        shoulders=rng.uniform(0.1, 0.116),
        torso=rng.uniform(0.285, 0.31),
        azimuth=rng.uniform(0, 360),
        cameras=1 + rng.permutation(CAMERAS)[: rng.choice([1, 2, 3], p=[0.2, 0.6, 0.2])],
    )


class Pose(NamedTuple):
    """Joint angles in degrees, (right, left) where there are two.

    flex: forward; spread: sideways; inward: turn of the upper arm; bend: of elbow and knee.
    """

    lean: float
    head: tuple[float, float]  # (nod, turn)
    arm_flex: np.ndarray
    arm_spread: np.ndarray
    arm_inward: np.ndarray
    arm_bend: np.ndarray
    leg_flex: np.ndarray
    leg_spread: np.ndarray
    leg_bend: np.ndarray


def _pose(rng) -> Pose:
    def about(*centre, width=6):
        return np.array(centre) + rng.uniform(-width, width, 2)

    arms = {
        "flex": about(0, 0),
        "spread": about(9, 9, width=4),
        "inward": about(10, 10),
        "bend": about(14, 14, width=10),
    }
    legs = {
        "flex": about(0, 0, width=4),
        "spread": about(4, 4, width=3),
        "bend": about(4, 4, width=3),
    }
    side = int(rng.integers(2))
    action = rng.choice(
        ["walk", "stand", "hips", "wave", "call", "carry"], p=[0.54, 0.18, 0.07, 0.07, 0.07, 0.07]
    )
    if action in ("walk", "call", "carry"):
        phase, stride = rng.uniform(0, 2 * np.pi), rng.uniform(14, 27)
        swing = np.sin(phase + np.array([0, np.pi]))
        legs["flex"] = stride * swing + 3
        # the knee bends while its leg swings forward
        legs["bend"] = 6 + 1.6 * stride * np.maximum(0, np.cos(phase + np.array([0, np.pi])))
        arms["flex"] = -0.9 * stride * swing
        arms["bend"] += 8
    if action == "hips":
        arms = {
            "flex": about(-18, -18),
            "spread": about(42, 42),
            "inward": about(62, 62),
            "bend": about(95, 95),
        }
    elif action == "carry":
        arms["flex"], arms["bend"], arms["inward"] = about(12, 12), about(88, 88), about(28, 28)
    elif action == "call":
        arms["flex"][side], arms["bend"][side], arms["spread"][side] = 42, 132, 16
    elif action == "wave":
        arms["spread"][side], arms["bend"][side] = rng.uniform(80, 150), rng.uniform(5, 50)
        arms["inward"][side] = 0
        if rng.random() < 0.4:
            arms = {name: np.full(2, angles[side]) for name, angles in arms.items()}
    return Pose(
        rng.uniform(-1, 7),
        (rng.uniform(-4, 14), rng.uniform(-22, 22)),
        *(arms[name] for name in ("flex", "spread", "inward", "bend")),
        *(legs[name] for name in ("flex", "spread", "bend")),
    )


def _body(person: Person, pose: Pose, facing: np.ndarray):
    """The capsules and the (18, 3) joints in camera space; facing: (3, 3) axes of the hips."""
    g = person.girth
    skin, hair, sleeve, leg = person.skin, person.hair, person.sleeves, person.trousers
    parts, joints = [], np.zeros((18, 3))

    def solid(colour):
        return lambda x, y, z: np.broadcast_to(colour, (len(x), 3))

    def covered(cloth, until, length, offset=0.0):
        """Cloth down to `until` (in lengths of the bone), skin below."""
        return lambda x, y, z: np.where((-y < until * length)[:, None], cloth(x, y - offset), skin)

    def chest(x, y, z):  # in the frame of the hips' centre
        top, bottom = person.top(x, y), person.bottom(x, y)
        clothed = np.where((y > person.hem)[:, None], top, bottom)
        collar = person.torso - 0.012 + 0.9 * np.abs(x) - 0.25 * np.maximum(z, 0)
        bare = (y > collar) & (np.abs(x) < 0.06)
        return np.where(bare[:, None], skin, clothed)

    def under_skirt(paint):  # hides thighs that stride through the skirt
        return lambda x, y, z: np.where(
            (-y < 0.85 * person.skirt)[:, None], person.skirt_cloth(x, y), paint(x, y, z)
        )

    def lifted(paint, by):
        return lambda x, y, z: paint(x, y + by, z)

    torso = facing @ _turn("x", pose.lean)
    waist, top = 0.13, person.torso - 0.052
    broad = person.shoulders + 0.004
    parts += [
        Capsule(torso[:, 1] * top, torso, top - waist, (0.045, 0.042), lifted(chest, top),
                (broad / 0.045, 1.35 * g)),
        Capsule(torso[:, 1] * waist, torso, waist, (0.042, 0.048), lifted(chest, waist),
                (0.088 * g / 0.045, 1.35 * g)),
        Capsule(torso[:, 1] * (top + 0.055), torso, 0.06, (0.02, 0.046),
                lifted(chest, top + 0.055), (1.8, 1.2)),
    ]  # fmt: skip
    joints[1] = torso @ [0, person.torso - 0.03, 0]

    head = torso @ _turn("y", pose.head[1]) @ _turn("x", pose.head[0])
    pivot = torso @ [0, person.torso + 0.03, 0.004]
    parts.append(Capsule(pivot + 0.03 * torso[:, 1], torso, 0.05, (0.029, 0.032), solid(skin)))

    def face(x, y, z):
        nape = -0.05 if person.hair_length < 0.2 else -1
        hairy = (y > 0.024) | ((z < 0.004 - 0.25 * y) & (y > nape))
        eyes = (np.hypot(np.abs(x) - 0.02, y + 0.014) < 0.007) & (z > 0)
        mouth = (np.hypot(x / 3, y + 0.05) < 0.005) & (z > 0)
        colours = np.where(mouth[:, None], skin * [0.8, 0.5, 0.5], skin)
        colours = np.where(eyes[:, None], 0.35 * skin, colours)
        return np.where((hairy & (person.hair_length > 0))[:, None], hair, colours)

    def on_head(x, y, z):
        return pivot + head @ [x, 0.088 + y, z]

    parts.append(Capsule(on_head(0, 0, 0.008), head, 0.048, (0.05, 0.038), face, (0.94, 1.12)))
    if person.hair_length > 0:
        parts.append(Capsule(on_head(0, 0.006, -0.008), head, 0.012, (0.051, 0.048), solid(hair),
                             (1.0, 1.08)))  # fmt: skip
    if person.hair_length > 0.2:
        length = person.hair_length - 0.1
        parts.append(Capsule(on_head(0, -0.01, -0.03), head, length, (0.045, 0.03), solid(hair),
                             (1.2, 0.75)))  # fmt: skip
    joints[0] = on_head(0, -0.03, 0.064)
    joints[14:18] = [on_head(x, y, z) for x, y, z in
                     [(-0.02, -0.012, 0.058), (0.02, -0.012, 0.058), (-0.048, -0.022, 0.004),
                      (0.048, -0.022, 0.004)]]  # fmt: skip

    if person.skirt:
        flare = 0.075 + 0.16 * person.skirt
        parts.append(
            Capsule(
                facing[:, 1] * 0.07, facing, 0.07 + person.skirt, (0.066, flare),
                lambda x, y, z: person.skirt_cloth(x, y + 0.07),
                (1.28 * g, 1.05 * g), False,
            )
        )  # fmt: skip

    for side, sign in enumerate((-1, 1)):  # right, left
        upper = (
            torso
            @ _turn("z", sign * pose.arm_spread[side])
            @ _turn("x", -pose.arm_flex[side])
            @ _turn("y", -sign * pose.arm_inward[side])
        )
        lower = upper @ _turn("x", -pose.arm_bend[side])
        shoulder = torso @ [sign * person.shoulders, person.torso - 0.05, 0]
        elbow = shoulder - UPPER_ARM * upper[:, 1]
        wrist = elbow - FOREARM * lower[:, 1]
        bulk = 1.12 if sleeve > 1 else 1.0
        parts += [
            Capsule(shoulder, upper, UPPER_ARM, (0.034 * bulk, 0.028 * bulk),
                    covered(person.top, sleeve, UPPER_ARM, -person.torso)),
            Capsule(elbow, lower, FOREARM, (0.027 * bulk, 0.02 * bulk),
                    covered(person.top, sleeve - 1, FOREARM, UPPER_ARM - person.torso)),
            Capsule(wrist, lower, 0.045, (0.019, 0.017), solid(skin), (1.2, 0.8)),
        ]  # fmt: skip
        joints[[2 + 3 * side, 3 + 3 * side, 4 + 3 * side]] = shoulder, elbow, wrist

        thigh = facing @ _turn("z", sign * pose.leg_spread[side]) @ _turn("x", -pose.leg_flex[side])
        shin = thigh @ _turn("x", pose.leg_bend[side])
        hip = facing @ [sign * 0.048 * g, 0, 0]
        knee = hip - LEG * thigh[:, 1]
        ankle = knee - LEG * shin[:, 1]
        bulk = 1.15 if leg > 1.5 else 1.0
        parts += [
            Capsule(hip, thigh, LEG, (0.055 * g, 0.037 * bulk),
                    under_skirt(covered(person.bottom, leg, LEG))),
            Capsule(knee, shin, LEG, (0.036 * bulk, 0.023 * bulk),
                    covered(person.bottom, leg - 1, LEG, LEG)),
            Capsule(ankle - 0.015 * shin[:, 1] - 0.012 * shin[:, 2],
                    shin @ _turn("x", -82), 0.085, (0.026, 0.021), solid(person.shoes)),
        ]  # fmt: skip
        joints[[8 + 3 * side, 9 + 3 * side, 10 + 3 * side]] = hip, knee, ankle
    return parts, joints


def _noise(rng, y, x, cells):
    """Value noise on the grid of y and x (1-D, in picture heights), `cells` nodes per height."""
    grid = rng.standard_normal((2 * cells, 2 * cells))

    def weights(c):  # of linear interpolation between the grid's nodes
        return np.maximum(0, 1 - np.abs((c[:, None] + 0.4) * cells - np.arange(2 * cells)))

    return weights(y) @ grid @ weights(x).T


def _background(rng, y, x):
    """A wall above a ground, each with its texture: (len(y), len(x), 3).

    y, x: 1-D coordinates in picture heights, from the crop's upper left corner.
    """
    edge = rng.choice([-1.0, rng.uniform(0.15, 0.75)], p=[0.35, 0.65])  # -1: ground only
    slope = rng.uniform(-0.12, 0.12)
    kind = int(rng.integers(len(GROUNDS)))
    ground, wall = (
        _colour(rng, GROUNDS[kind], 8),
        _colour(rng, WALLS[rng.integers(len(WALLS))], 8),
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
    """Draw one view of an identity, height x height // 2 pixels; an even height.

    The azimuths of an identity's views follow the golden angle, so that any first few of them
    spread over the circle.
    """
    rng = np.random.default_rng([2, seed, identity, view])
    person, pose = _person(identity, seed), _pose(rng)
    camera = int(person.cameras[view % len(person.cameras)])
    place = np.random.default_rng([3, seed, camera])  # light and elevation of the camera
    elevation = place.uniform(4, 16) + rng.uniform(-2, 2)
    light = np.array([place.uniform(-0.7, 0.7), place.uniform(0.5, 1), place.uniform(0.5, 1)])
    light /= np.linalg.norm(light)
    gain = place.uniform(0.88, 1.08) * place.uniform(0.97, 1.03, 3)

    azimuth = person.azimuth + 137.508 * view + rng.uniform(-12, 12)
    parts, joints = _body(person, pose, _turn("x", elevation) @ _turn("y", azimuth))

    # the crop of a detector: head near the top, feet near the bottom
    spans = np.array([part.extent() for part in parts])
    (left, bottom), (right, top) = spans[:, 0].min(0), spans[:, 1].max(0)
    tall = (top - bottom) / rng.uniform(0.88, 0.95)  # body heights per picture height
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
    """Draw the parts on a scene (H, W, 3) in place. Returns depths (H, W), -inf beside them."""
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
    """Where a pose estimator would find the joints: int16 (18, 2), -1 for hidden ones."""
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
"""Poses that `named_keypoints` draws; what a pose leaves out is as in standing."""


def named_keypoints(name: str, azimuth: float, height: int) -> np.ndarray:
    """Key points of a named pose, as an estimator would find them: int16 (18, 2), -1 = hidden.

    azimuth: in degrees; 0 faces the camera, 90 the right of the picture, 180 away from it.
    height: of the picture, which is half as wide; the body fills it as a detector's crop does.
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
    person, pose = _person(1, 0), Pose(**standing | NAMED_POSES[name])
    parts, joints = _body(person, pose, _turn("x", 8) @ _turn("y", azimuth))
    spans = np.array([part.extent() for part in parts])
    (left, bottom), (right, top) = spans[:, 0].min(0), spans[:, 1].max(0)
    tall, middle = (top - bottom) / 0.92, (top + bottom) / 2
    centre = (left + right + 2 * joints[1, 0]) / 4
    n = height * SAMPLES
    rows = middle - ((np.arange(n) + 0.5) / n - 0.5) * tall
    columns = centre + ((np.arange(n // 2) + 0.5) / n - 0.25) * tall
    depths = _paint(parts, rows, columns, np.zeros((n, n // 2, 3)), np.array([0.0, 0.0, 1.0]))
    return _keypoints(joints, depths, middle, centre, tall)


def write_archive(
    folder: Path, *, height: int, train_identities: int, test_identities: int, views: int, seed: int
) -> None:
    """Write what a real data set ships, under `folder`.

    synthetic.zip: PNG crops of height x height // 2 pixels in Market-1501's layout. Training
        identities are odd and test identities even numbers, so that the count of neither changes
        the other.
    annotation-train.csv, annotation-test.csv: key points, as `vdg.data.annotations` reads them.
    silhouettes-train.safetensors, silhouettes-test.safetensors: the pixels of each person.

    Raises InputError for a height that is not a multiple of 4, or counts that draw nothing.
    """
    settings = {"train_identities": train_identities, "test_identities": test_identities}
    for name, value in (settings | {"views": views}).items():
        if value < 1:
            raise InputError(f"{name} is {value}: the synthetic data set needs at least 1")
    if height < 32 or height % 4:
        raise InputError(
            f"height is {height}: the synthetic data set needs a multiple of 4 from 32"
        )
    if seed < 0:
        raise InputError(f"seed is {seed}: the synthetic data set needs 0 or more")

    folder = Path(folder)
    total = (train_identities + test_identities) * views
    with (
        replacing(folder / "synthetic.zip") as temporary,
        zipfile.ZipFile(temporary, "w") as archive,
        tqdm(total=total, desc="render", unit=" pictures", disable=None) as progress,
        _in_parallel(total) as each,
    ):
        for first, (part, count) in enumerate(
            [("train", train_identities), ("test", test_identities)], start=1
        ):
            drawn = {}
            wanted = list(itertools.product(range(first, 2 * count + 1, 2), range(views)))
            pictures = each(functools.partial(_render, height=height, seed=seed), wanted)
            for (identity, view), picture in zip(wanted, pictures, strict=True):
                name = f"{identity:04d}_c{picture.camera}s1_{151 + 25 * view:06d}_00.png"
                drawn[name] = picture
                progress.update()
            names = sorted(drawn)
            for name in names:
                png = io.BytesIO()
                Image.fromarray(drawn[name].image).save(png, "PNG")
                entry = zipfile.ZipInfo(f"bounding_box_{part}/{name}")  # dated 1980
                entry.create_system = 3  # alike on every system
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, png.getvalue())
            keypoints = [drawn[name].keypoints for name in names]
            write_keypoints(folder / f"annotation-{part}.csv", names, keypoints)
            silhouettes = np.stack([drawn[name].silhouette for name in names])
            write_silhouettes(folder / f"silhouettes-{part}.safetensors", names, silhouettes)


def _render(wanted: tuple[int, int], height: int, seed: int) -> Picture:
    return render(*wanted, height, seed)


@contextlib.contextmanager
def _in_parallel(count: int):
    """A `map` that keeps the order, over as many processes as `count` pictures are worth."""
    workers = min(os.cpu_count() or 1, count // WORTH_A_PROCESS)
    if workers < 2:
        yield map
        return
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        yield functools.partial(pool.map, chunksize=8)
