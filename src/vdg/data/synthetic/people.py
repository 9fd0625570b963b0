"""People of the embedded data set: skin, hair, build and clothes, sampled per identity."""

from typing import NamedTuple

import numpy as np

CAMERAS = 6  # as in Market-1501

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
        }[self.pattern][:, None]
        return self.colours[0] * (1 - second) + self.colours[1] * second


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


def jitter_colour(rng, value, jitter=6) -> np.ndarray:
    return np.clip(np.array(value) + rng.uniform(-jitter, jitter, 3), 4, 250)


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
