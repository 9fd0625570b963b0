"""Poses as joint angles, and the joints and frames of a posed skeleton."""

from typing import NamedTuple

import numpy as np

from vdg.data.rendering.geometry import turn

UPPER_ARM, FOREARM, LEG = 0.165, 0.14, 0.24  # LEG: thigh and shin each
ACTIONS = {"walk": 0.54, "stand": 0.18, "hips": 0.07, "wave": 0.07, "call": 0.07, "carry": 0.07}
"""Probabilities of what a person does; "call" holds a hand to an ear, "carry" both in front."""


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


def sample_pose(rng, actions: dict[str, float] = ACTIONS) -> Pose:
    """Sample joint angles of an action. actions: its probability by name, see ACTIONS."""

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
    action = rng.choice(list(actions), p=list(actions.values()))
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


class Limb(NamedTuple):
    """An arm or a leg in camera space: its three joints, and the frames of its two bones."""

    start: np.ndarray
    middle: np.ndarray
    end: np.ndarray
    upper: np.ndarray
    lower: np.ndarray


class Skeleton(NamedTuple):
    """A posed skeleton in camera space.

    hips, torso, head: frames (3, 3); the torso's has its origin at the hips, the head's at `pivot`.
    arms, legs: right, left. joints: (18, 3), OpenPose's.
    """

    hips: np.ndarray
    torso: np.ndarray
    head: np.ndarray
    pivot: np.ndarray
    arms: tuple[Limb, Limb]
    legs: tuple[Limb, Limb]
    joints: np.ndarray

    def on_head(self, x, y, z) -> np.ndarray:
        """A point of the head's frame whose origin is between the ears, in camera space."""
        return self.pivot + self.head @ [x, 0.088 + y, z]


def stand_up(
    pose: Pose, facing: np.ndarray, *, torso: float, shoulders: float, hips: float
) -> Skeleton:
    """Pose a skeleton. facing: (3, 3), axes of the hips' frame in camera space.

    torso: from the hips to the neck; shoulders, hips: of the joints from the middle.
    """
    chest = facing @ turn("x", pose.lean)
    head = chest @ turn("y", pose.head[1]) @ turn("x", pose.head[0])
    pivot = chest @ [0, torso + 0.03, 0.004]
    arms, legs = [], []
    for side, sign in enumerate((-1, 1)):
        upper = (
            chest
            @ turn("z", sign * pose.arm_spread[side])
            @ turn("x", -pose.arm_flex[side])
            @ turn("y", -sign * pose.arm_inward[side])
        )
        lower = upper @ turn("x", -pose.arm_bend[side])
        shoulder = chest @ [sign * shoulders, torso - 0.05, 0]
        elbow = shoulder - UPPER_ARM * upper[:, 1]
        arms.append(Limb(shoulder, elbow, elbow - FOREARM * lower[:, 1], upper, lower))

        thigh = facing @ turn("z", sign * pose.leg_spread[side]) @ turn("x", -pose.leg_flex[side])
        shin = thigh @ turn("x", pose.leg_bend[side])
        hip = facing @ [sign * hips, 0, 0]
        knee = hip - LEG * thigh[:, 1]
        legs.append(Limb(hip, knee, knee - LEG * shin[:, 1], thigh, shin))

    skeleton = Skeleton(
        facing, chest, head, pivot, (arms[0], arms[1]), (legs[0], legs[1]), np.zeros((18, 3))
    )
    joints = skeleton.joints
    joints[1] = chest @ [0, torso - 0.03, 0]
    for side in range(2):
        joints[2 + 3 * side : 5 + 3 * side] = arms[side][:3]
        joints[8 + 3 * side : 11 + 3 * side] = legs[side][:3]
    joints[0] = skeleton.on_head(0, -0.03, 0.064)
    for side, sign in enumerate((-1, 1)):  # eyes, ears
        joints[14 + side] = skeleton.on_head(sign * 0.02, -0.012, 0.058)
        joints[16 + side] = skeleton.on_head(sign * 0.048, -0.022, 0.004)
    return skeleton
