"""Heads: face, ears, nose, hair and hats, as capsules in the head's frame.

The skull reaches from y = 0.05, its crown, to -0.086, the chin; the face looks along z.
"""

import numpy as np

from vdg.data.rendered.wardrobe import Person
from vdg.data.rendering.geometry import Capsule, turn
from vdg.data.rendering.paint import dim, either, put, solid
from vdg.data.rendering.poses import Skeleton

HAIRLINE = 0.026
FRAMES = np.array([30.0, 30.0, 32.0])  # of glasses


def head(person: Person, bones: Skeleton) -> list[Capsule]:
    skin, frame, at = person.skin, bones.head, bones.on_head
    nape = bones.pivot + 0.035 * bones.torso[:, 1]
    parts = [
        Capsule(nape, bones.torso, 0.06, (0.029, 0.034), solid(0.86 * skin), ends=(False, False)),
        Capsule(at(0, 0, 0.008), frame, 0.048, (0.05, 0.038), _face(person), (0.94, 1.12)),
        Capsule(at(0, -0.014, 0.054), frame @ turn("x", -24), 0.022, (0.006, 0.0095),
                solid(0.95 * skin)),
    ]  # fmt: skip
    if person.hair_kind not in ("bob", "long", "curls"):
        parts += [
            Capsule(at(sign * 0.046, -0.012, 0.002), frame, 0.018, (0.011, 0.008),
                    solid(0.92 * skin), (0.6, 1.0))
            for sign in (-1, 1)
        ]  # fmt: skip
    return parts + _hair(person, bones) + _hat(person, bones)


def _face(person: Person):
    skin, hair = person.skin, person.hair
    lips, eyes = skin * [0.78, 0.5, 0.5], 0.28 * skin
    brows, beard = 0.5 * hair + 0.25 * skin, 0.6 * hair + 0.3 * skin
    low = -0.05 if person.hair_kind in ("short", "tail", "bun") else -0.075  # end of the hair

    def paint(x, y, z):
        colours = np.repeat(skin[:, None], len(x), 1)
        front, side, high = z > 0, np.abs(x), y + 0.012  # above the eyes
        out = np.abs(side - 0.021)
        if person.beard:
            put(colours, front & (y < -0.042 + 0.3 * np.maximum(side - 0.02, 0)), beard)
        put(colours, front & ((x / 0.016) ** 2 + ((y + 0.056) / 0.006) ** 2 < 1), lips)
        dim(colours, front & ((out / 0.014) ** 2 + (high / 0.011) ** 2 < 1), 0.88)  # sockets
        put(colours, front & (out < 0.012) & (np.abs(high - 0.016) < 0.004), brows)
        put(colours, front & ((out / 0.008) ** 2 + (high / 0.006) ** 2 < 1), eyes)
        if person.glasses:
            put(colours, (z > 0.01) & (np.abs(high) < 0.0085) & (out < 0.015), FRAMES)
        if person.hair_kind != "bald":  # the temples are bare in front of the ears
            above = y > HAIRLINE - 0.12 * np.maximum(side - 0.025, 0)
            put(colours, above | ((z < 0.006 - 0.3 * y) & (y > low)), hair)
        return colours

    return paint


def _strands(person: Person):
    """Paint of hair: darker towards the neck, with a gloss above."""
    hair = person.hair

    def paint(x, y, z):
        return hair[:, None] * (1 + 0.16 * np.sin(90 * x + 40 * z) + np.clip(2.5 * y, -0.2, 0.15))

    return paint


def _hair(person: Person, bones: Skeleton) -> list[Capsule]:
    kind, frame, at, paint = person.hair_kind, bones.head, bones.on_head, _strands(person)
    if kind == "bald":
        return []
    if kind == "curls":
        return [
            Capsule(at(0, 0.01, -0.014), frame, 0.02, (0.066, 0.06), paint),
            Capsule(at(0, 0.03, 0.012), frame, 0.001, (0.052, 0.052), paint),
        ]
    parts = [Capsule(at(0, 0.008, -0.008), frame, 0.014, (0.052, 0.048), paint, (1.0, 1.08))]
    match kind:
        case "bun":
            parts.append(Capsule(at(0, 0.04, -0.05), frame, 0.001, (0.027, 0.027), paint))
        case "tail":
            parts.append(
                Capsule(
                    at(0, 0.014, -0.056), bones.torso @ turn("x", 5), 0.12, (0.021, 0.013), paint
                )
            )
        case "bob" | "long":
            parts.append(
                Capsule(at(0, 0.002, -0.014), frame, 0.062, (0.051, 0.049), paint, (1.1, 0.9))
            )
    if kind == "long":  # lies on the back
        hanging = bones.torso @ turn("x", 4)
        parts.append(
            Capsule(at(0, -0.03, -0.04), hanging, person.hair_length, (0.046, 0.03), paint,
                    (1.2, 0.6))
        )  # fmt: skip
    return parts


def _hat(person: Person, bones: Skeleton) -> list[Capsule]:
    frame, at, (colour, trim) = bones.head, bones.on_head, person.hat_colours
    lying = frame @ turn("x", -90)  # extends along the head's z, thin along its y
    crown = Capsule(at(0, 0.022, -0.002), frame, 0.004, (0.054, 0.055), solid(colour), (1.0, 1.1))
    match person.hat:
        case "cap":
            peak = Capsule(at(0, 0.02, 0.03), lying, 0.055, (0.042, 0.032), solid(trim), (1, 0.2))
            return [crown, peak]
        case "beanie":
            banded = _banded(colour, trim, -0.02)
            return [crown._replace(origin=at(0, 0.03, -0.006), length=0.022, paint=banded)]
        case "brim":
            disc = Capsule(at(0, 0.022, -0.002), lying, 0.001, (0.088, 0.088), solid(colour),
                           (1, 0.1))  # fmt: skip
            return [crown._replace(paint=_banded(colour, trim, 0.01)), disc]
    return []


def _banded(colour, trim, height):
    return lambda x, y, z: either(y < height, trim, colour)
