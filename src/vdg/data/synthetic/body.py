"""Bodies: poses as joint angles, and the tapered capsules of a posed person."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from vdg.data.synthetic.people import Person

UPPER_ARM, FOREARM, LEG = 0.165, 0.14, 0.24  # LEG: thigh and shin each


class Capsule(NamedTuple):
    """The hull of two spheres, stretched along x and z: a tapered limb of elliptic section."""

    origin: np.ndarray
    axes: np.ndarray  # (3, 3), columns are the x, y, z axes of the body part's frame
    length: float
    radii: tuple[float, float]
    paint: Callable  # surface points (x, y, z) in the body part's frame -> colours
    stretch: tuple[float, float] = (1.0, 1.0)
    capped: bool = True

    def extent(self):
        """Bounding box in camera space: lowest (x, y), highest (x, y)."""
        tip = self.origin - self.length * self.axes[:, 1]
        reach = np.linalg.norm(self.axes * (self.stretch[0], 1, self.stretch[1]), axis=1)
        ends, radii = np.stack([self.origin, tip]), np.array(self.radii)[:, None]
        return (ends - radii * reach).min(0)[:2], (ends + radii * reach).max(0)[:2]

    def hit(self, x, y):
        """Intersect the rays at camera (x, y) with the capsule; depth is -inf without a hit.

        The capsule is the union of spheres with centre c(t) and radius r(t), both linear in t. On
        its surface |p - c|^2 = r^2 and the derivative with respect to t vanishes, which gives a
        quadratic in the depth. The two end spheres are intersected separately. Returns the first
        depth, and points and normals.
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
        if speed > w * w / norm:  # else the rays are along the axis and hit the end spheres only
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


def turn(axis: str, angle: float) -> np.ndarray:
    """Right-handed rotation matrix (3, 3) about an axis; angle in degrees."""
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.array(
        {
            "x": [[1, 0, 0], [0, c, -s], [0, s, c]],
            "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]],
            "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]],
        }[axis]
    )


class Pose(NamedTuple):
    """Joint angles in degrees; arrays are (right, left).

    flex: forward; spread: sideways; inward: rotation of the upper arm; bend: of elbow or knee.
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


def sample_pose(rng) -> Pose:
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


def build_body(person: Person, pose: Pose, facing: np.ndarray):
    """Capsules and joints (18, 3) in camera space. facing: (3, 3), axes of the hips' frame."""
    g = person.girth
    skin, hair, sleeve, leg = person.skin, person.hair, person.sleeves, person.trousers
    parts, joints = [], np.zeros((18, 3))

    def solid(colour):
        return lambda x, y, z: np.broadcast_to(colour, (len(x), 3))

    def covered(cloth, until, length, offset=0.0):
        """Cloth down to `until` (fraction of the bone's length), skin below."""
        return lambda x, y, z: np.where((-y < until * length)[:, None], cloth(x, y - offset), skin)

    def chest(x, y, z):  # in the hips' frame
        top, bottom = person.top(x, y), person.bottom(x, y)
        clothed = np.where((y > person.hem)[:, None], top, bottom)
        collar = person.torso - 0.012 + 0.9 * np.abs(x) - 0.25 * np.maximum(z, 0)
        bare = (y > collar) & (np.abs(x) < 0.06)
        return np.where(bare[:, None], skin, clothed)

    def under_skirt(paint):  # paints thighs that intersect the skirt like the skirt
        return lambda x, y, z: np.where(
            (-y < 0.85 * person.skirt)[:, None], person.skirt_cloth(x, y), paint(x, y, z)
        )

    def lifted(paint, by):
        return lambda x, y, z: paint(x, y + by, z)

    torso = facing @ turn("x", pose.lean)
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

    head = torso @ turn("y", pose.head[1]) @ turn("x", pose.head[0])
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
            @ turn("z", sign * pose.arm_spread[side])
            @ turn("x", -pose.arm_flex[side])
            @ turn("y", -sign * pose.arm_inward[side])
        )
        lower = upper @ turn("x", -pose.arm_bend[side])
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

        thigh = facing @ turn("z", sign * pose.leg_spread[side]) @ turn("x", -pose.leg_flex[side])
        shin = thigh @ turn("x", pose.leg_bend[side])
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
                    shin @ turn("x", -82), 0.085, (0.026, 0.021), solid(person.shoes)),
        ]  # fmt: skip
        joints[[8 + 3 * side, 9 + 3 * side, 10 + 3 * side]] = hip, knee, ankle
    return parts, joints
