"""The six cameras: what stands where they look, how they are lit, and where people walk.

Each camera has one wide picture, its scene, as a street camera has. A crop is a window of it around
a person's place on the ground: the lower the feet, the nearer and the taller the person, as far as
the horizon, which lies above the picture.
"""

import functools
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from vdg.data.rendering.palette import jitter_colour

CAMERAS, SEQUENCES = 6, 3  # sequences of each camera, at other times of the day
HEIGHT, WIDTH = 480, 1200  # of a scene, in pixels
HORIZON = -90  # row of a scene
TALL = 0.36  # height of a person, as a fraction of the distance of the feet from the horizon
NEAR, FAR = 470, 265  # rows on which feet stand

# ground, its two colours; backdrop, its colours; what stands before it; row of the backdrop's foot
PLACES = (
    ("slabs", (158, 152, 144), "bricks", (138, 104, 88), "bicycles", 175),
    ("grass", (108, 124, 78), "hedge", (64, 84, 52), "trunks", 150),
    ("asphalt", (112, 113, 116), "shops", (150, 148, 146), "cars", 165),
    ("slabs", (182, 176, 166), "glass", (120, 136, 146), "posts", 190),
    ("sand", (172, 154, 128), "hedge", (84, 98, 62), "bench", 160),
    ("asphalt", (138, 136, 134), "concrete", (168, 166, 160), "doors", 205),
)


class Light(NamedTuple):
    """direction: towards the light, camera space, unit length. ambient, direct: shares of a
    surface's brightness. gain: of the exposure and white balance, RGB. elevation: of the camera, in
    degrees. blur: share of each neighbouring pixel."""

    direction: np.ndarray
    ambient: float
    direct: float
    gain: np.ndarray
    elevation: float
    blur: float


@functools.lru_cache(maxsize=CAMERAS * SEQUENCES)
def light(camera: int, sequence: int, seed: int) -> Light:
    """The light of a camera (from 1) in a sequence (from 1), and the camera itself."""
    place = np.random.default_rng([13, seed, camera])
    elevation, blur = place.uniform(8, 17), place.uniform(0.03, 0.1)
    side, warmth = place.uniform(-0.9, 0.9), place.uniform(-0.07, 0.07)
    exposure, hard = place.uniform(0.92, 1.14), place.uniform(0.3, 0.75)
    time = np.random.default_rng([14, seed, camera, sequence])
    direction = np.array([side + time.uniform(-0.4, 0.4), time.uniform(0.5, 1), 0.55])
    warmth += time.uniform(-0.03, 0.03)
    gain = exposure * time.uniform(0.93, 1.07) * np.array([1 + warmth, 1.0, 1 - warmth])
    direction /= np.linalg.norm(direction)
    return Light(direction, 1.02 - 0.55 * hard, 0.75 * hard, gain, elevation, blur)


@functools.lru_cache(maxsize=CAMERAS)
def scene(camera: int, seed: int) -> Image.Image:
    """What a camera (from 1) sees without people, HEIGHT x WIDTH pixels."""
    rng = np.random.default_rng([15, seed, camera])
    ground, tint, backdrop, colour, things, foot = PLACES[(camera - 1) % len(PLACES)]
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH].astype(float)
    slope = rng.uniform(-0.03, 0.03)
    edge = foot + slope * (columns - WIDTH / 2)
    picture = np.where(
        (rows < edge)[..., None],
        _backdrop(rng, backdrop, jitter_colour(rng, colour, 8), rows - edge, columns),
        _ground(rng, ground, jitter_colour(rng, tint, 8), rows, columns),
    )
    picture *= 1 - 0.3 * np.exp(-(((rows - edge) / 7) ** 2))[..., None]  # dirt along the wall
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    _furnish(rng, things, image, foot, slope)
    return image.filter(ImageFilter.GaussianBlur(0.9))


def window(place: np.ndarray, walked: np.ndarray, fill: float) -> tuple:
    """The box (left, upper, right, lower) of a scene around a person who fills it to `fill`.

    place: (2,) in [0, 1], where the take is. walked: (2,), from there, in body heights to the
        right, and in fractions of the ground's depth.
    """
    depth = np.clip(place[1] + walked[1], 0, 1)
    feet = FAR + (NEAR - FAR) * depth
    tall = TALL * (feet - HORIZON) / fill
    middle = WIDTH * (0.12 + 0.76 * place[0]) + walked[0] * tall
    middle = np.clip(middle, tall / 4 + 1, WIDTH - tall / 4 - 1)
    lower = min(feet + tall * (1 - fill) / 2, HEIGHT - 1)
    return middle - tall / 4, max(lower - tall, 0), middle + tall / 4, lower


def cut(camera: int, seed: int, box: tuple, height: int) -> np.ndarray:
    """A window of a scene at height x height // 2 pixels: float (H, W, 3)."""
    size = (height // 2, height)
    crop = scene(camera, seed).resize(size, Image.Resampling.BILINEAR, box=box)
    return np.asarray(crop, float)


# --- parts of a scene -----------------------------------------------------------------------------


def _clouds(rng, cells: int, across: float = 1.0) -> np.ndarray:
    """Smooth noise of unit variance (HEIGHT, WIDTH), with `cells` nodes over its height."""
    nodes = (cells, max(2, int(cells * across * WIDTH / HEIGHT)))
    noise = Image.fromarray(rng.standard_normal(nodes).astype(np.float32))
    return np.asarray(noise.resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC), float)


def _ground(rng, kind: str, colour, rows, columns) -> np.ndarray:
    depth = 100 / (rows - HORIZON)  # of the ground plane that a pixel shows
    x, z = (columns - WIDTH / 2) * depth / 40, 24 * depth
    grain = 4 * _clouds(rng, 8) + 3 * _clouds(rng, 60)
    if kind == "grass":
        grain += 9 * _clouds(rng, 120) + 6 * _clouds(rng, 30)
    if kind == "sand":
        grain += 5 * _clouds(rng, 120)
    picture = colour + grain[..., None]
    if kind == "slabs":
        size = rng.uniform(1.2, 1.8)
        shift = 0.5 * (np.floor(z / size) % 2)
        tile = np.floor(z / size) * 7.3 + np.floor(x / size + shift) * 3.7
        picture += (7 * np.sin(tile * 12.9898))[..., None]  # each slab has its own shade
        joint = ((x / size + shift) % 1 < 0.05) | ((z / size) % 1 < 0.05)
        picture *= np.where(joint, 0.84, 1.0)[..., None]
    if kind == "asphalt":
        kerb = np.abs(z - 24 * 100 / (240 - HORIZON)) < 0.12
        picture[kerb] = 206
    return picture


def _backdrop(rng, kind: str, colour, above, columns) -> np.ndarray:
    """above: rows, 0 at the foot of the backdrop and negative above it."""
    picture = colour + (4 * _clouds(rng, 6) + 2 * _clouds(rng, 60))[..., None]
    x, y = columns, -above
    match kind:
        case "bricks":
            shift = 14 * (np.floor(y / 9) % 2)
            picture *= np.where((y % 9 < 1.6) | ((x + shift) % 28 < 1.6), 1.16, 1.0)[..., None]
            window = (x % 190 > 62) & (x % 190 < 138) & (y > 66) & (y < 140)
            picture[window] = (66, 74, 84)
        case "hedge":
            leaves = 20 * _clouds(rng, 60) + 14 * _clouds(rng, 24) + 12 * _clouds(rng, 120)
            picture += leaves[..., None] * [0.8, 1.0, 0.6]
            sky = y > 105 + 22 * _clouds(rng, 5)
            picture[sky] = 0.35 * picture[sky] + 0.65 * np.array((206, 212, 216))
        case "shops":
            width = 210
            pane = (x % width > 22) & (x % width < width - 12) & (y > 22) & (y < 122)
            hue = 60 + 34 * np.sin(np.floor(x / width)[..., None] * [2.1, 3.3, 4.7] + [0, 2, 4])
            shine = (10 * _clouds(rng, 20))[..., None]
            picture = np.where(pane[..., None], hue + shine, picture)
            sign = (y > 126) & (y < 150) & (x % width > 22) & (x % width < width - 12)
            picture = np.where(sign[..., None], 255 - 1.3 * hue, picture)
        case "glass":
            picture += (16 * _clouds(rng, 5))[..., None]
            frame = (x % 84 < 5) | ((y % 92 < 5) & (y > 20))
            picture[frame] = (92, 96, 102)
        case "concrete":
            picture *= np.where((x % 150 < 3) | (y % 70 < 2), 0.86, 1.0)[..., None]
            picture *= (1 - 0.08 * np.clip(_clouds(rng, 4, 3), 0, 2))[..., None]
    return picture


def _furnish(rng, kind: str, image: Image.Image, foot: float, slope: float) -> None:
    """Draw what stands at the foot of the backdrop, all along it."""
    draw = ImageDraw.Draw(image)
    steps = {"bicycles": 62, "trunks": 210, "cars": 330, "posts": 130, "bench": 300, "doors": 260}
    step = steps[kind]
    for left in range(-20, WIDTH, step):
        x = left + rng.uniform(0, 0.35) * step
        y = foot + slope * (x - WIDTH / 2) + rng.uniform(2, 14)
        dark = tuple(int(c) for c in jitter_colour(rng, (50, 50, 54), 14))
        paint = tuple(int(c) for c in rng.uniform(60, 190) + rng.uniform(-24, 24, 3))
        match kind:
            case "bicycles":
                for wheel in (0, 38):
                    draw.ellipse([x + wheel, y - 26, x + wheel + 26, y], outline=dark, width=3)
                draw.line(
                    [x + 13, y - 13, x + 24, y - 36, x + 46, y - 36, x + 51, y - 13], paint, 3
                )
                draw.line([x + 46, y - 36, x + 44, y - 44, x + 52, y - 46], dark, 3)
            case "trunks":
                width = rng.uniform(11, 22)
                draw.rectangle([x, 0, x + width, y + 22], fill=(86, 74, 60))
                draw.rectangle([x, 0, x + width / 3, y + 22], fill=(112, 98, 80))
            case "cars":
                draw.rounded_rectangle([x + 34, y - 62, x + 180, y - 20], 22, fill=(58, 64, 72))
                draw.rounded_rectangle([x, y - 38, x + 230, y - 4], 12, fill=paint)
                for wheel in (26, 168):
                    draw.ellipse([x + wheel, y - 20, x + wheel + 34, y + 8], fill=(30, 30, 32))
            case "posts":
                draw.rectangle([x, y - 42, x + 9, y + 16], fill=(74, 76, 78))
                draw.rectangle([x, y - 38, x + 9, y - 32], fill=(206, 204, 198))
            case "bench":
                for board in (-40, -30, -16):
                    draw.rectangle([x, y + board, x + 110, y + board + 6], fill=(122, 88, 58))
                for leg in (8, 96):
                    draw.rectangle([x + leg, y - 14, x + leg + 5, y + 8], fill=dark)
            case "doors":
                draw.rectangle([x, y - 128, x + 66, y - 10], fill=paint)
                draw.rectangle([x + 31, y - 128, x + 34, y - 10], fill=dark)
                draw.rectangle([x + 100, 0, x + 128, y + 14], fill=(150, 146, 138))  # a pillar
                draw.rectangle([x + 118, 0, x + 128, y + 14], fill=(120, 116, 110))
