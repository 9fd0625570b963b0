"""Dress a posed skeleton: the capsules of its body, clothes and bags."""

import numpy as np

from vdg.data.rendered.head import head
from vdg.data.rendered.wardrobe import Cloth, Person
from vdg.data.rendering.geometry import Capsule, turn
from vdg.data.rendering.paint import dim, either, put, solid
from vdg.data.rendering.poses import FOREARM, LEG, UPPER_ARM, Pose, Skeleton, stand_up

JACKET_HEM = -0.04  # above the hips
YOKE = 0.115  # height of the upper block of a garment of two
NECKLINES = {"round": (0.016, 0.55), "v": (0.05, 1.5), "collar": (0.04, 1.9)}  # depth, slope


def build(person: Person, pose: Pose, facing: np.ndarray):
    """Capsules and joints (18, 3) in camera space. facing: (3, 3), axes of the hips' frame."""
    bones = stand_up(
        pose, facing, torso=person.torso, shoulders=person.shoulders, hips=0.047 * person.girth
    )
    parts = _trunk(person, bones) + head(person, bones)
    for side in range(2):
        parts += _arm(person, bones, side) + _leg(person, bones, side)
    parts += _skirts(person, bones) + _bag(person, bones)
    return parts, bones.joints


def _wrapped(cloth: Cloth, offset: float = 0.0):
    """Paint of a cloth around a limb, whose pattern goes on `offset` above the limb's start."""
    return lambda x, y, z: cloth(x + z, y + offset)


def _until(paint, end: float, below):
    """`paint` down to the length `end` of a limb, the paint `below` from there."""

    def painted(x, y, z):
        if end >= 1:
            return paint(x, y, z)
        if end <= 0:
            return below(x, y, z)
        return either(-y < end, paint(x, y, z), below(x, y, z))

    return painted


def _above(height: float, paint, below):
    """`paint` above a height in the frame of a limb, the paint `below` elsewhere."""
    return lambda x, y, z: either(y > height, paint(x, y, z), below(x, y, z))


def _hem(person: Person) -> float:
    """Where the upper garment ends, above the hips."""
    if person.jacket is None or (person.skirt and not person.tails):
        return person.hem
    return -1.0 if person.tails else min(person.hem, JACKET_HEM)


# --- trunk ----------------------------------------------------------------------------------------


def _trunk(person: Person, bones: Skeleton) -> list[Capsule]:
    torso, g = bones.torso, person.girth
    paint = _chest(person)
    waist, top = 0.13, person.torso - 0.052
    broad, slim = person.shoulders + 0.004, 0.086 * g * person.waist
    thick = 1.06 if person.jacket else 1.0
    hips = (
        0.088 if person.skirt or person.tails else 0.106
    )  # under a skirt, or as broad as the thighs

    def section(height, length, radii, stretch, ends=(False, False)):
        lifted = lambda x, y, z: paint(x, y + height, z)  # noqa: E731
        return Capsule(torso[:, 1] * height, torso, length, radii, lifted, stretch, ends)

    def across(x, y, z):  # the frame of the yoke lies along the shoulders
        return paint(-y - person.shoulders, x + person.torso - 0.048, z)

    yoke = torso @ turn("z", 90)  # extends along the torso's x
    at = torso @ [-person.shoulders, person.torso - 0.048, 0]
    return [
        section(top, top - waist, (0.045, 0.042), (thick * broad / 0.045, 1.32 * g * thick),
                (True, False)),
        section(waist, waist, (0.042, 0.047), (thick * slim / 0.042, 1.3 * g * thick)),
        section(0.055, 0.08, (0.038, 0.046), (hips * g / 0.046, 1.36 * g), (True, True)),
        section(top + 0.056, 0.055, (0.02, 0.05), (1.9, 1.1)),
        Capsule(at, yoke, 2 * person.shoulders, (0.034 * thick, 0.034 * thick), across,
                (1.0, 1.15)),
    ]  # fmt: skip


def _chest(person: Person):
    """Paint of the trunk, in the torso's frame, whose origin is at the hips."""
    strap = _strap(person)

    def paint(x, y, z):
        around = 0.085 * np.arctan2(x, 1.3 * z)
        colours = _shirt(person, x, y, z > 0, around)
        lower = y < person.hem
        if lower.any():
            colours[:, lower] = person.bottom(around[lower], y[lower])
            dim(colours, lower & (y > person.hem - 0.009), 0.6)  # a belt, or a shadow
        if person.jacket is not None:
            _put_on(person.jacket, person, colours, np.abs(x), y, z > 0, around)
        if strap is not None:
            put(colours, strap(x, y, z), person.bag.colours[1])
        return colours

    return paint


def _shirt(person: Person, x, y, front, around) -> np.ndarray:
    """Colours (3, N) of the top, and of the skin in its neck."""
    top, side, down = person.top, np.abs(x), y - person.torso
    colours = top(around, y)
    if top.pattern == "blocks":
        put(colours, down > -YOKE, top.colours[1])
    if top.pattern == "logo":
        high = np.abs(down + 0.125)
        put(colours, front & (side < 0.04) & (high < 0.026), top.colours[1])
        put(colours, front & (side < 0.024) & (high < 0.008), top.colours[0])
    if person.neckline == "collar":
        trim = top.colours[1] if top.pattern != "plain" else 0.72 * top.colours[0]
        dim(colours, front & (side < 0.005), 0.78)  # buttons
        put(colours, front & (down > -0.045) & (side < 0.05) & (side > 0.016), trim)
    depth, slope = NECKLINES[person.neckline]
    bare = (front & (down > slope * side - depth)) | (down > 0.012)
    put(colours, bare & (side < 0.056), person.skin)
    return colours


def _put_on(jacket: Cloth, person: Person, colours, side, y, front, around) -> None:
    """Paint a jacket over `colours` (3, N), in place, open or closed in front."""
    gap = person.gap * (1 + 1.6 * np.maximum(y, 0) / person.torso)
    worn = y > _hem(person)
    zip_ = worn & front & (np.abs(side - gap) < 0.005)
    worn &= ~(front & (side < gap))
    if person.gap == 0:  # the neck is bare
        worn &= y < person.torso + 0.01
    colours[:, worn] = jacket(around[worn], y[worn])
    if jacket.pattern == "blocks":
        put(colours, worn & (y > person.torso - YOKE), jacket.colours[1])
    dim(colours, zip_, 0.55)
    dim(colours, worn & (y > person.torso - 0.03) & (side < 0.06), 0.8)  # collar


def _strap(person: Person):
    """Where a bag's strap lies on the trunk: (x, y, z) -> mask; None without one."""
    bag, torso = person.bag, person.torso
    if bag.kind == "backpack":  # over both shoulders, down the front
        return lambda x, y, z: (np.abs(np.abs(x) - 0.06) < 0.011) & (y > torso - 0.17) & (z > -0.02)
    if bag.kind == "messenger":  # across, from the other shoulder
        return lambda x, y, z: np.abs(bag.side * x + 0.62 * (y - 0.15)) < 0.012
    return None


# --- limbs ----------------------------------------------------------------------------------------


def _arm(person: Person, bones: Skeleton, side: int) -> list[Capsule]:
    shoulder, elbow, wrist, upper, lower = bones.arms[side]
    cloth, sleeves = person.top, person.sleeves
    if person.jacket is not None:
        cloth, sleeves = person.jacket, 2.0
    bulk = (1.14 if sleeves > 1 else 1.04) * (1.06 if person.jacket else 1.0)
    skin = solid(person.skin)
    upper_paint = _until(_wrapped(cloth, person.torso - 0.05), sleeves * UPPER_ARM, skin)
    lower_paint = _until(
        _wrapped(cloth, person.torso - 0.05 - UPPER_ARM), (sleeves - 1) * FOREARM, skin
    )
    joint, cuff = 0.027 * bulk, (0.0185 if sleeves <= 1 else 0.021) * bulk
    return [
        Capsule(shoulder, upper, UPPER_ARM, (0.0315 * bulk, joint), upper_paint, (1.0, 1.05)),
        Capsule(elbow, lower, FOREARM, (joint, cuff), lower_paint, ends=(False, True)),
        Capsule(wrist, lower, 0.05, (0.0185, 0.0175), skin, (0.75, 1.2), (False, True)),
    ]


def _leg(person: Person, bones: Skeleton, side: int) -> list[Capsule]:
    hip, knee, ankle, thigh, shin = bones.legs[side]
    g, skin, legs = person.girth, solid(person.skin), person.legs
    cut = person.cut if legs > 1.5 else 1.0
    cloth = person.bottom
    upper = _until(_wrapped(cloth), legs * LEG, skin)
    lower = _until(_wrapped(cloth, -LEG), (legs - 1) * LEG, skin)
    if person.skirt:  # a thigh that shows through the skirt is painted as the skirt
        under = 0.96 * person.skirt
        upper = _until(_wrapped(person.skirt_cloth), under, upper)
    elif person.tails and person.jacket is not None:
        upper = _until(_wrapped(person.jacket), 0.96 * person.tails, upper)
    upper = _above(_hem(person), _wrapped(person.jacket or person.top), upper)
    joint, end = 0.0375 * (cut + 1) / 2, 0.0225 * cut**1.6
    loose = person.cut if 0 < legs < 1.5 else 1.0  # shorts stand off the thigh
    sole, shoes = person.sole, person.shoes

    def shoe(x, y, z):
        return either(z < -0.008, sole, shoes)

    foot = shin @ turn("x", -80)
    parts = [
        Capsule(hip, thigh, LEG, (0.056 * g, joint), upper),
        Capsule(knee, shin, LEG, (joint, end), lower, ends=(False, False)),
        Capsule(ankle - 0.016 * shin[:, 1] - 0.012 * shin[:, 2], foot, 0.088, (0.026, 0.021), shoe),
    ]
    if loose > 1:
        parts.append(parts[0]._replace(
            length=person.legs * LEG, radii=(0.057 * g, 0.05), stretch=(1.05, 1.05),
            ends=(False, False),
        ))  # fmt: skip
    if person.boots or 0 < legs < 1.5 or person.skirt:  # a boot's shaft, or a sock
        height = 0.1 if person.boots else 0.03
        paint = solid(shoes if person.boots else 0.5 * sole + 0.5 * shoes)
        start = ankle + height * shin[:, 1]
        parts.append(
            Capsule(start, shin, height, (0.0315 if person.boots else 0.0255, 0.0255), paint)
        )
    return parts


def _skirts(person: Person, bones: Skeleton) -> list[Capsule]:
    """A skirt, or the tails of a coat, open below."""
    g, parts = person.girth, []
    if person.skirt:
        flare = 0.066 + 0.14 * person.skirt

        def pleated(x, y, z):
            angle = np.arctan2(x, z)
            return person.skirt_cloth(0.08 * angle, y + 0.07) * (1 + 0.1 * np.sin(14 * angle))

        parts.append(
            Capsule(bones.hips[:, 1] * 0.07, bones.hips, 0.07 + person.skirt, (0.062, flare),
                    pleated, (1.26 * g, 1.05 * g), (False, False))
        )  # fmt: skip
    if person.tails and person.jacket is not None:
        jacket, bottom = person.jacket, person.bottom

        def open_front(x, y, z):
            angle = np.arctan2(x, z)
            colours = jacket(0.08 * angle, y + 0.06)
            gap = person.gap * (1 - 2 * np.minimum(y, 0))
            opened = (z > 0) & (np.abs(x) < gap)
            colours[:, opened] = bottom(0.08 * angle[opened], y[opened])
            dim(colours, (z > 0) & (np.abs(np.abs(x) - gap) < 0.005), 0.55)
            return colours

        parts.append(
            Capsule(bones.hips[:, 1] * 0.06, bones.hips, 0.06 + person.tails,
                    (0.066, 0.066 + 0.1 * person.tails), open_front, (1.3 * g, 1.08 * g),
                    (False, False))
        )  # fmt: skip
    return parts


# --- bags -----------------------------------------------------------------------------------------


def _bag(person: Person, bones: Skeleton) -> list[Capsule]:
    bag, torso = person.bag, bones.torso
    colour, trim = bag.colours

    def body(x, y, z):  # a flap above, a seam, a darker base
        colours = either(y > -0.02, colour, 0.86 * colour)
        put(colours, np.abs(y + 0.022) < 0.005, trim)
        return colours

    hips = 0.1 * person.girth
    match bag.kind:
        case "backpack":
            at = torso @ [0, person.torso - 0.072, -0.062 * person.girth - 0.024]
            return [
                Capsule(at, torso, 0.135, (0.042, 0.046), body, (1.62, 0.95)),
                Capsule(at + torso @ [0, -0.085, -0.026], torso, 0.04, (0.028, 0.03),
                        solid(0.78 * colour), (1.6, 0.9)),
            ]  # fmt: skip
        case "messenger":
            at = bones.hips @ [bag.side * (hips + 0.022), -0.015, -0.03]
            return [Capsule(at, bones.hips, 0.05, (0.04, 0.042), body, (0.5, 1.4))]
        case "tote":
            at = bones.hips @ [bag.side * (hips + 0.03), 0.03, -0.035]
            shoulder = torso @ [bag.side * (person.shoulders - 0.02), person.torso - 0.02, -0.02]
            return [
                Capsule(at, bones.hips, 0.08, (0.04, 0.046), body, (0.5, 1.35)),
                _cord(shoulder, at, solid(trim)),
            ]
        case "handbag":
            arm = bones.arms[(bag.side + 1) // 2]
            hand = arm.end - 0.045 * arm.lower[:, 1]
            at = hand - bones.hips @ [0, 0.075, 0]
            return [
                Capsule(at, bones.hips, 0.05, (0.036, 0.042), body, (0.5, 1.3)),
                _cord(hand, at, solid(trim)),
            ]
    return []


def _cord(start: np.ndarray, end: np.ndarray, paint) -> Capsule:
    """A strap between two points of camera space."""
    y = start - end
    length = float(np.linalg.norm(y))
    y = y / length
    x = np.cross(y, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x) + 1e-9
    return Capsule(
        start,
        np.stack([x, y, np.cross(x, y)], 1),
        length,
        (0.008, 0.008),
        paint,
        ends=(False, False),
    )
