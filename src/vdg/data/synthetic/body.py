"""Bodies of the small data set: the tapered capsules of a posed person."""

import numpy as np

from vdg.data.rendering.geometry import Capsule, turn
from vdg.data.rendering.paint import either, solid
from vdg.data.rendering.poses import FOREARM, LEG, UPPER_ARM, Pose, stand_up
from vdg.data.synthetic.people import Person


def build_body(person: Person, pose: Pose, facing: np.ndarray):
    """Capsules and joints (18, 3) in camera space. facing: (3, 3), axes of the hips' frame."""
    g = person.girth
    skin, hair, sleeve, leg = person.skin, person.hair, person.sleeves, person.trousers
    bones = stand_up(
        pose, facing, torso=person.torso, shoulders=person.shoulders, hips=0.048 * person.girth
    )
    parts, torso, head, on_head = [], bones.torso, bones.head, bones.on_head

    def covered(cloth, until, length, offset=0.0):
        """Cloth down to `until` (fraction of the bone's length), skin below."""
        return lambda x, y, z: either(-y < until * length, cloth(x, y - offset), skin)

    def chest(x, y, z):  # in the hips' frame
        top, bottom = person.top(x, y), person.bottom(x, y)
        clothed = either(y > person.hem, top, bottom)
        collar = person.torso - 0.012 + 0.9 * np.abs(x) - 0.25 * np.maximum(z, 0)
        bare = (y > collar) & (np.abs(x) < 0.06)
        return either(bare, skin, clothed)

    def under_skirt(paint):  # paints thighs that intersect the skirt like the skirt
        return lambda x, y, z: either(
            -y < 0.85 * person.skirt, person.skirt_cloth(x, y), paint(x, y, z)
        )

    def lifted(paint, by):
        return lambda x, y, z: paint(x, y + by, z)

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
    parts.append(
        Capsule(bones.pivot + 0.03 * torso[:, 1], torso, 0.05, (0.029, 0.032), solid(skin))
    )

    def face(x, y, z):
        nape = -0.05 if person.hair_length < 0.2 else -1
        hairy = (y > 0.024) | ((z < 0.004 - 0.25 * y) & (y > nape))
        eyes = (np.hypot(np.abs(x) - 0.02, y + 0.014) < 0.007) & (z > 0)
        mouth = (np.hypot(x / 3, y + 0.05) < 0.005) & (z > 0)
        colours = either(mouth, skin * [0.8, 0.5, 0.5], skin)
        colours = either(eyes, 0.35 * skin, colours)
        return either(hairy & (person.hair_length > 0), hair, colours)

    parts.append(Capsule(on_head(0, 0, 0.008), head, 0.048, (0.05, 0.038), face, (0.94, 1.12)))
    if person.hair_length > 0:
        parts.append(Capsule(on_head(0, 0.006, -0.008), head, 0.012, (0.051, 0.048), solid(hair),
                             (1.0, 1.08)))  # fmt: skip
    if person.hair_length > 0.2:
        length = person.hair_length - 0.1
        parts.append(Capsule(on_head(0, -0.01, -0.03), head, length, (0.045, 0.03), solid(hair),
                             (1.2, 0.75)))  # fmt: skip

    if person.skirt:
        flare = 0.075 + 0.16 * person.skirt
        parts.append(
            Capsule(
                facing[:, 1] * 0.07, facing, 0.07 + person.skirt, (0.066, flare),
                lambda x, y, z: person.skirt_cloth(x, y + 0.07),
                (1.28 * g, 1.05 * g), (False, False),
            )
        )  # fmt: skip

    for shoulder, elbow, wrist, upper, lower in bones.arms:
        bulk = 1.12 if sleeve > 1 else 1.0
        parts += [
            Capsule(shoulder, upper, UPPER_ARM, (0.034 * bulk, 0.028 * bulk),
                    covered(person.top, sleeve, UPPER_ARM, -person.torso)),
            Capsule(elbow, lower, FOREARM, (0.027 * bulk, 0.02 * bulk),
                    covered(person.top, sleeve - 1, FOREARM, UPPER_ARM - person.torso)),
            Capsule(wrist, lower, 0.045, (0.019, 0.017), solid(skin), (1.2, 0.8)),
        ]  # fmt: skip

    for hip, knee, ankle, thigh, shin in bones.legs:
        bulk = 1.15 if leg > 1.5 else 1.0
        parts += [
            Capsule(hip, thigh, LEG, (0.055 * g, 0.037 * bulk),
                    under_skirt(covered(person.bottom, leg, LEG))),
            Capsule(knee, shin, LEG, (0.036 * bulk, 0.023 * bulk),
                    covered(person.bottom, leg - 1, LEG, LEG)),
            Capsule(ankle - 0.015 * shin[:, 1] - 0.012 * shin[:, 2],
                    shin @ turn("x", -82), 0.085, (0.026, 0.021), solid(person.shoes)),
        ]  # fmt: skip
    return parts, bones.joints
