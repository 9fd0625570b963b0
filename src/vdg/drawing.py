"""Drawing: skeletons, image grids, contact sheets."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vdg.files import write_bytes
from vdg.pose import HEAT_MAP_SIGMA, SKELETON

GAP = 2  # pixels between the images of a grid
COLOURS = [tuple(int(c) for c in colour) for colour in np.array(
    [[230, 25, 75], [245, 130, 48], [255, 225, 25], [60, 180, 75], [70, 240, 240], [0, 130, 200],
     [145, 30, 180], [240, 50, 230]]
)]  # fmt: skip


def skeleton(keypoints: np.ndarray, canvas: np.ndarray, scale: int = 1) -> np.ndarray:
    """Draw joints (18, 2), (y, x), on a copy of `canvas` (H, W, 3), enlarged by `scale`.

    Missing joints (-1) are not drawn.
    """
    image = enlarge(canvas, scale)
    draw = ImageDraw.Draw(image)
    points = [(x * scale + scale / 2, y * scale + scale / 2) for y, x in keypoints.tolist()]
    found = (keypoints >= 0).all(-1)
    width = max(1, image.height // 96)
    for i, (a, b) in enumerate(SKELETON):
        if found[a] and found[b]:
            draw.line([points[a], points[b]], fill=COLOURS[i % len(COLOURS)], width=width)
    for i in np.flatnonzero(found):
        x, y = points[i]
        draw.ellipse([x - width, y - width, x + width, y + width], fill=(255, 255, 255))
    return np.asarray(image)


def enlarge(image: np.ndarray, scale: int) -> Image.Image:
    """Enlarge by nearest neighbour, so that the network's pixels stay visible."""
    height, width = image.shape[:2]
    return Image.fromarray(image).resize((width * scale, height * scale), Image.Resampling.NEAREST)


def grid(rows: list[list[np.ndarray]], titles: list[str] | None = None) -> Image.Image:
    """Arrange images of one size, (H, W, 3) uint8, in rows, with a title above each column."""
    height, width = rows[0][0].shape[:2]
    top = 16 if titles else 0
    columns = max(len(row) for row in rows)
    size = (columns * (width + GAP) - GAP, top + len(rows) * (height + GAP) - GAP)
    image = Image.new("RGB", size, (255, 255, 255))
    draw = ImageDraw.Draw(image)
    for j, title in enumerate(titles or []):
        x = j * (width + GAP) + width / 2
        draw.text((x, 2), title, fill=(0, 0, 0), font=ImageFont.load_default(11), anchor="ma")
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            image.paste(Image.fromarray(picture), (j * (width + GAP), top + i * (height + GAP)))
    return image


def save_png(path, image: Image.Image) -> None:
    """Write a PNG atomically."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")  # optimize: nine times as slow, 2 % smaller
    write_bytes(path, buffer.getvalue())


def contact_sheet(images, keypoints, masks, scale: int) -> Image.Image:
    """Grid of each image beside its skeleton, the maximum of its heat maps, and its mask.

    images: uint8 (N, H, W, 3); keypoints: (N, 18, 2); masks: bool (N, H, W).
    """
    _, height, width, _ = images.shape
    cells = []
    for picture, joints, mask in zip(images, keypoints, masks, strict=True):
        red, warmth = np.array([255, 0, 0]), _warmth(joints, height, width)
        warm = picture + (red - picture) * warmth[..., None] * 0.7
        masked = np.where(mask[..., None], picture, picture // 4)
        shown = [np.asarray(enlarge(x.astype(np.uint8), scale)) for x in (picture, warm, masked)]
        cells.append([shown[0], skeleton(joints, picture, scale), *shown[1:]])
    titles = ["picture", "joints", "heat maps", "mask"]
    half = (len(cells) + 1) // 2
    blank = [np.full_like(cells[0][0], 255)] * len(titles)
    pairs = zip(cells[:half], cells[half:] + [blank] * (2 * half - len(cells)), strict=True)
    return grid([left + right for left, right in pairs], titles * 2)


def _warmth(joints: np.ndarray, height: int, width: int) -> np.ndarray:
    """The maximum over the heat maps of joints (18, 2): (H, W) in [0, 1].

    As vdg.heat_maps makes them, without torch, whose import takes more than all else here.
    """
    found = joints[(joints >= 0).all(1)].astype(np.float32)
    scale = np.float32(2 * (HEAT_MAP_SIGMA * height / 128) ** 2)
    along_y, along_x = (
        np.exp(-((np.arange(length, dtype=np.float32)[:, None] - found[:, axis]) ** 2) / scale)
        for axis, length in enumerate((height, width))
    )
    return (along_y[:, None] * along_x).max(2, initial=0)
