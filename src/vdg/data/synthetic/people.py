"""People of the embedded data set: skin, hair, build and clothes, sampled per identity."""

from typing import NamedTuple

import numpy as np

from vdg.data.rendering.palette import BOTTOMS, GARMENTS, HAIRS, SHOES, SKINS, jitter_colour

CAMERAS = 6  # as in Market-1501


class Cloth(NamedTuple):
    """A two-coloured fabric, as a function of the surface point in the bone's frame."""

    pattern: str
    colours: np.ndarray  # (2, 3)
    period: float

    def __call__(self, x, y):
        rings = np.sin(2 * np.pi / self.period * y) > 0
        bars = np.cos(2 * np.pi / self.period * x) > 0  # even in x: left-right symmetric
        second = {
            "plain": np.zeros(len(x)),
            "horizontal": rings,
            "vertical": bars,
            "check": rings ^ bars,
            "tartan": (rings.astype(float) + bars) / 2,
        }[self.pattern]
        first, other = self.colours[..., None]
        return first * (1 - second) + other * second


class Person(NamedTuple):
    """Appearance shared by all crops of an identity."""

    skin: np.ndarray
    hair: np.ndarray
    hair_length: float  # below the crown; 0: bald, above 0.2: covers the nape
    top: Cloth
    bottom: Cloth
    shoes: np.ndarray
    sleeves: float  # length along the arm: 0 none, 1 to the elbow, 2 to the wrist
    trousers: float  # length along the leg: -1 none, 1 to the knee, 2 to the ankle
    skirt: float  # length below the waist; 0: none
    skirt_cloth: Cloth
    hem: float  # height of the boundary between top and bottom, above the hips
    girth: float
    shoulders: float
    torso: float
    azimuth: float
    cameras: np.ndarray


def _cloth(rng, names, patterns: dict[str, float]) -> Cloth:
    pattern = rng.choice(list(patterns), p=list(patterns.values()))
    first = np.array(GARMENTS[rng.choice(names)])
    # a second colour that remains distinguishable at a few pixels
    others = [c for c in GARMENTS.values() if np.abs(first - c).mean() > 70]
    second = others[rng.integers(len(others))]
    colours = np.stack([jitter_colour(rng, first), jitter_colour(rng, second)])
    return Cloth(str(pattern), colours, rng.uniform(0.14, 0.2))


def sample_person(identity: int, seed: int) -> Person:
    rng = np.random.default_rng([1, seed, identity])
    names = list(GARMENTS)
    patterned = {"plain": 0.5, "horizontal": 0.24, "vertical": 0.08, "check": 0.1, "tartan": 0.08}
    top = _cloth(rng, names, patterned)
    bottom = _cloth(rng, BOTTOMS, {"plain": 0.92, "check": 0.04, "tartan": 0.04})
    outfit = rng.choice(
        ["trousers", "shorts", "skirt", "dress", "coat"], p=[0.56, 0.18, 0.1, 0.08, 0.08]
    )
    skin = jitter_colour(rng, SKINS[rng.integers(len(SKINS))])
    sleeves = 2.0 if outfit == "coat" else rng.choice([0.0, 0.62, 2.0], p=[0.12, 0.46, 0.42])
    skirt = {"skirt": rng.uniform(0.2, 0.3), "dress": rng.uniform(0.24, 0.34), "coat": 0.2}
    return Person(
        skin=skin,
        hair=jitter_colour(rng, HAIRS[rng.integers(len(HAIRS))]),
        hair_length=rng.choice([0.0, 0.1, rng.uniform(0.22, 0.3)], p=[0.06, 0.5, 0.44]),
        top=top,
        bottom=bottom,
        shoes=jitter_colour(rng, GARMENTS[rng.choice(SHOES)]),
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
