"""Who the people of the benchmark are: build, skin, hair, clothes, bags, and who sees them."""

import functools
from typing import NamedTuple

import numpy as np

from vdg.data.rendered.scene import CAMERAS, SEQUENCES
from vdg.data.rendering.palette import BOTTOMS, GARMENTS, HAIRS, SHOES, SKINS, jitter_colour

PATTERNS = {
    "plain": 0.44, "stripes": 0.15, "bars": 0.06, "check": 0.09, "tartan": 0.08, "dots": 0.06,
    "logo": 0.08, "blocks": 0.04,
}  # fmt: skip
LOWER_PATTERNS = {"plain": 0.9, "check": 0.04, "tartan": 0.03, "bars": 0.03}
JACKETS = ("black", "dark grey", "navy", "grey", "brown", "olive", "beige", "khaki", "maroon",
           "red", "blue", "teal", "green", "white")  # fmt: skip
HAIR_KINDS = {"short": 0.42, "long": 0.17, "bob": 0.13, "tail": 0.1, "bun": 0.07, "curls": 0.05,
              "bald": 0.06}  # fmt: skip
HATS = {"none": 0.84, "cap": 0.08, "beanie": 0.05, "brim": 0.03}
BAGS = {"none": 0.4, "backpack": 0.27, "messenger": 0.14, "tote": 0.09, "handbag": 0.1}
LEGWEAR = {"trousers": 0.62, "shorts": 0.14, "skirt": 0.1, "dress": 0.09, "leggings": 0.05}


class Cloth(NamedTuple):
    """A fabric of two colours (2, 3) that lies around a body part.

    period: of its pattern, in body heights. slant, phase: of its creases.
    """

    pattern: str
    colours: np.ndarray
    period: float
    slant: float
    phase: float

    def __call__(self, around, y):
        """Colours (3, N) at the distance `around` a part from its front, and the height y."""
        creases = np.sin(37 * around + self.slant * y + self.phase)
        share = self._share(around, y)
        light = 1 + 0.04 * creases
        if share is None:
            return self.colours[0][:, None] * light
        first, second = self.colours[..., None]
        return first * ((1 - share) * light) + second * (share * light)

    def _share(self, around, y):
        """Share of the second colour at each point; None: nowhere."""
        if self.pattern in ("plain", "logo", "blocks"):  # the latter two are drawn by the chest
            return None
        across, down = around / self.period, y / self.period
        if self.pattern == "dots":  # every other row is shifted by half a period
            row = np.floor(down)
            x, y = (across + 0.5 * (row % 2)) % 1 - 0.5, down - row - 0.5
            return (x * x + y * y < 0.085).astype(float)
        rings, bars = down % 1 < 0.45, (across + 0.25) % 1 < 0.45
        match self.pattern:
            case "stripes":
                return rings.astype(float)
            case "bars":
                return bars.astype(float)
            case "check":
                return (rings ^ bars).astype(float)
        return (rings.astype(float) + bars) / 2  # tartan


class Bag(NamedTuple):
    """kind: of BAGS. side: -1 right, 1 left. colours: (2, 3), of the bag and of its trim."""

    kind: str
    side: int
    colours: np.ndarray


class Take(NamedTuple):
    """A camera's sequence in which a person is seen. place: where in its scene, (2,) in [0, 1]."""

    camera: int
    sequence: int
    place: np.ndarray


class Person(NamedTuple):
    """Appearance shared by all crops of an identity. Lengths are in body heights.

    girth, waist: factors on the width of the body, and of its waist. sleeves: along the arm, 0
        none, 1 to the elbow, 2 to the wrist. legs: of the trousers, likewise; -1 none.
    jacket: over the top; gap: half the width of its opening at the chest, 0 closed. tails: length
        of a coat below the hips. skirt: its length below the waist; 0 none.
    """

    girth: float
    waist: float
    shoulders: float
    torso: float
    skin: np.ndarray
    hair: np.ndarray
    hair_kind: str
    hair_length: float
    hat: str
    hat_colours: np.ndarray
    glasses: bool
    beard: bool
    top: Cloth
    neckline: str
    sleeves: float
    hem: float
    jacket: Cloth | None
    gap: float
    tails: float
    bottom: Cloth
    legs: float
    cut: float
    skirt: float
    skirt_cloth: Cloth
    shoes: np.ndarray
    sole: np.ndarray
    boots: bool
    bag: Bag
    azimuth: float
    takes: tuple[Take, ...]


def _pick(rng, weights: dict[str, float]) -> str:
    return str(rng.choice(list(weights), p=list(weights.values())))


def _colours(rng, names) -> np.ndarray:
    """A colour of `names`, and one that remains distinguishable from it at a few pixels: (2, 3)."""
    first = np.array(GARMENTS[names[rng.integers(len(names))]])
    others = [c for c in GARMENTS.values() if np.abs(first - c).mean() > 60]
    second = others[rng.integers(len(others))]
    return np.stack([jitter_colour(rng, first), jitter_colour(rng, second)])


def _cloth(rng, names, patterns: dict[str, float]) -> Cloth:
    period = rng.uniform(0.045, 0.1)
    slant, phase = rng.uniform(20, 50), rng.uniform(0, 6.3)
    return Cloth(_pick(rng, patterns), _colours(rng, names), period, slant, phase)


def _takes(rng) -> tuple[Take, ...]:
    """Three or four takes; one person in ten is seen in two sequences of one camera."""
    cameras = 1 + rng.permutation(CAMERAS)[: rng.integers(3, 5)]
    if rng.random() < 0.1:
        cameras[1] = cameras[0]
    first = int(rng.integers(SEQUENCES))
    return tuple(
        Take(int(camera), 1 + (first + i) % SEQUENCES, rng.random(2))
        for i, camera in enumerate(cameras)
    )


@functools.lru_cache(maxsize=16)  # its views are drawn one after the other
def sample_person(identity: int, seed: int) -> Person:
    rng = np.random.default_rng([11, seed, identity])
    tops = list(GARMENTS)
    wear = _pick(rng, LEGWEAR)
    dressed = wear in ("skirt", "dress", "leggings")
    hair_kind = _pick(rng, HAIR_KINDS)
    if dressed and hair_kind in ("short", "bald"):
        hair_kind = str(rng.choice(["long", "bob", "tail", "bun"]))
    cropped = hair_kind in ("short", "bald")
    top = _cloth(rng, tops, PATTERNS)
    bottom = _cloth(rng, BOTTOMS, LOWER_PATTERNS)
    jacketed = wear != "dress" and rng.random() < 0.4
    jacket = _cloth(rng, JACKETS, {"plain": 0.86, "check": 0.07, "blocks": 0.07})
    opened = jacketed and rng.random() < 0.7
    hat = _pick(rng, HATS)
    if hair_kind in ("bun", "curls"):
        hat = "none"
    sleeves = float(rng.choice([0.12, 0.6, 2.0], p=[0.1, 0.55, 0.35]))
    legs = {"trousers": 2.0, "leggings": 2.0, "shorts": rng.uniform(0.6, 1.0)}.get(wear, -1.0)
    cuts = {"trousers": rng.choice([1.08, 1.2, 1.38], p=[0.4, 0.4, 0.2]), "shorts": 1.25}
    skirts = {"skirt": rng.uniform(0.17, 0.33), "dress": rng.uniform(0.2, 0.34)}
    pale = jitter_colour(rng, (226, 224, 218))
    shoes = jitter_colour(rng, GARMENTS[SHOES[rng.integers(len(SHOES))]])
    return Person(
        girth=rng.uniform(0.9, 1.18),
        waist=rng.uniform(0.82, 0.94) if dressed else rng.uniform(0.9, 1.04),
        shoulders=rng.uniform(0.096, 0.106) if dressed else rng.uniform(0.102, 0.116),
        torso=rng.uniform(0.285, 0.31),
        skin=jitter_colour(rng, SKINS[rng.integers(len(SKINS))]),
        hair=jitter_colour(rng, HAIRS[rng.choice(len(HAIRS), p=[0.3, 0.25, 0.2, 0.1, 0.09, 0.06])]),
        hair_kind=hair_kind,
        hair_length=rng.uniform(0.1, 0.2),
        hat=hat,
        hat_colours=_colours(rng, tops),
        glasses=bool(rng.random() < 0.16),
        beard=bool(cropped and rng.random() < 0.25),
        top=top,
        neckline=str(rng.choice(["round", "v", "collar"], p=[0.5, 0.22, 0.28])),
        sleeves=sleeves,
        hem={"dress": -1.0, "skirt": 0.06}.get(wear, rng.uniform(-0.05, 0.03)),
        jacket=jacket if jacketed else None,
        gap=rng.uniform(0.022, 0.04) if opened else 0.0,
        tails=rng.uniform(0.1, 0.2) if jacketed and wear != "shorts" and rng.random() < 0.3 else 0,
        bottom=bottom,
        legs=legs,
        cut=float(cuts.get(wear, 1.0)),
        skirt=skirts.get(wear, 0.0),
        skirt_cloth=bottom if wear == "skirt" else top,
        shoes=shoes,
        sole=pale if rng.random() < 0.5 else 0.6 * shoes,
        boots=bool(wear != "shorts" and rng.random() < 0.14),
        bag=Bag(_pick(rng, BAGS), int(rng.choice([-1, 1])), _colours(rng, JACKETS)),
        azimuth=rng.uniform(0, 360),
        takes=_takes(rng),
    )
