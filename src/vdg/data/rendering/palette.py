"""Colours of clothes, skin and hair, RGB from 0 to 255."""

import numpy as np

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


def jitter_colour(rng, value, jitter=6) -> np.ndarray:
    return np.clip(np.array(value) + rng.uniform(-jitter, jitter, 3), 4, 250)
