"""Read folders of generated images of any system, to score them with the same metrics."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from vdg.data.clutter import composed, is_clutter
from vdg.data.decoding import open_file, opened, upright
from vdg.data.fitting import require_inside
from vdg.errors import InputError
from vdg.keypoints.annotations import read_keypoints
from vdg.pose import pose_mask

SUFFIXES = (".jpg", ".jpeg", ".png")
VIS = "_vis"
Pictures = dict[str, np.ndarray]
"""Images by file name without suffix, sorted by name: uint8 (H, W, 3) each."""


def read_folder(folder: Path, mode: str = "RGB") -> Pictures:
    """Read the JPEG and PNG files of a folder. mode: "RGB", or "L" for masks (H, W).

    Raises InputError for a folder without images, a file that does not decode or has transparent
    pixels, and two files of equal stem.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder of pictures")
    files = sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not is_clutter(path.name)
    )
    if not files:
        raise InputError(f"{folder} holds no JPEG or PNG files")
    pictures: Pictures = {}
    for file in files:
        if (name := composed(file.stem)) in pictures:
            raise InputError(f"{folder} holds two pictures named {name}: remove one")
        pictures[name] = _read(file, mode)
    return pictures


def _read(file: Path, mode: str) -> np.ndarray:
    with open_file(file) as data, opened(data, str(file), ("JPEG", "PNG")) as picture:
        if picture.mode not in ("RGB", "L", "P", "1"):
            raise InputError(f"{file} is {picture.mode}: save it as RGB")
        if "transparency" in picture.info:  # converting to RGB would drop it silently
            raise InputError(f"{file} has a transparent colour: save it as RGB without one")
        return np.asarray(upright(picture, str(file)).convert(mode))


def split_strips(strips: Pictures, where: str) -> tuple[Pictures, Pictures]:
    """Split strips of source | target | generated image. Returns (generated, targets).

    Names that end in _vis, as PATN's do, are strips of five: source | source pose | target |
    target pose | generated image.
    """
    generated, targets = {}, {}
    for name, strip in strips.items():
        count, word = (5, "five") if name.endswith(VIS) else (3, "three")
        if strip.shape[1] % count:
            raise InputError(
                f"{where}: {name} is {strip.shape[1]} wide, not {word} pictures side by side"
            )
        *others, generated[name] = np.split(strip, count, axis=1)
        targets[name] = others[-1] if count == 3 else others[2]
    return generated, targets


def pair_name(source: str, target: str) -> str:
    """The name of a generated image, without suffix, by the file names of its pair."""
    return f"{_bare(source)}__{_bare(target)}"


def strip_name(source: str, target: str) -> str:
    """The name of a strip, without suffix, as PATN's code writes it."""
    return f"{source}___{target}{VIS}"


def in_order(pictures: Pictures, pairs: Iterable[tuple[str, str]]) -> Pictures:
    """The images, named by `pair_name` or `strip_name`, in the order of a list of pairs.

    Raises InputError for a name without a pair.
    """
    places = {}
    for i, pair in enumerate(pairs):
        places |= {composed(name(*pair)): i for name in (pair_name, strip_name)}
    for name in pictures:
        if name not in places:
            raise InputError(
                f"{name} is no pair of the list: pictures are named SOURCE__TARGET, or strips "
                f"SOURCE___TARGET{VIS}"
            )
    return {name: pictures[name] for name in sorted(pictures, key=lambda name: places[name])}


def _bare(name: str) -> str:
    return Path(name).stem if Path(name).suffix.lower() in SUFFIXES else name


def stack(generated: Pictures, targets: Pictures) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Match images by name. Returns names, generated and target images (N, H, W, 3).

    Raises InputError for images without a partner or of another size.
    """
    require_same_names(generated, targets, "generated", "target")
    size = next(iter(targets.values())).shape
    for name in targets:
        for kind, pictures in (("target", targets), ("generated", generated)):
            if pictures[name].shape != size:
                raise InputError(
                    f"{name}: the {kind} picture is {_size(pictures[name].shape)}, "
                    f"the first target {_size(size)}: all must be of one size"
                )
    names = list(targets)
    both = [np.stack([pictures[name] for name in names]) for pictures in (generated, targets)]
    return names, *both


def require_same_names(one: Pictures, other: Pictures, first: str, second: str) -> None:
    """Raise InputError if some names occur on one side only."""
    for here, there, kind, partner in ((one, other, first, second), (other, one, second, first)):
        lonely = [name for name in here if name not in there]
        if lonely:
            shown = ", ".join(lonely[:3]) + (", ..." if lonely[3:] else "")
            raise InputError(
                f"{len(lonely)} of {len(here)} {kind} pictures have no {partner} picture of the "
                f"same name: {shown}"
            )


def read_masks(folder: Path, targets: Pictures) -> np.ndarray:
    """Masks of the targets from images of equal names: bool (N, H, W), body above 127.

    Raises InputError for a mask without a target, of another size or without a body.
    """
    masks = read_folder(folder, "L")
    require_same_names(masks, targets, "mask", "target")
    for name, target in targets.items():
        if masks[name].shape != target.shape[:2]:
            raise InputError(
                f"{name}: the mask is {_size(masks[name].shape)}, its target {_size(target.shape)}"
            )
        if not (masks[name] > 127).any():  # the mask-SSIM of such a pair is always 1
            raise InputError(
                f"{folder}: the mask of {name} has no pixel above 127: save masks white on black, "
                "the body as 255"
            )
    return np.stack([masks[name] > 127 for name in targets])


def draw_masks(keypoints: Path, targets: Pictures) -> np.ndarray:
    """Pose masks M_b of the targets, (N, H, W), from a CSV of key points.

    A target uses the row whose name occurs in its file name. If several occur, the one that ends
    last is used, because other systems name their files SOURCE___TARGET; of those that end in one
    place, the longest.

    Raises InputError for a target without a row or joint, and for joints outside of it.
    """
    rows = _rows(keypoints)
    masks = []
    for name, target in targets.items():
        joints = rows[_row_of(name, rows, keypoints)]
        _check_joints(joints, name, target.shape[:2], keypoints)
        masks.append(pose_mask(joints, *target.shape[:2]))
    return np.stack(masks)


def _rows(keypoints: Path) -> dict[str, np.ndarray]:
    """Key points (18, 2) by the name that a data set gives an image, without suffix.

    Raises InputError for two rows of one name.
    """
    given: dict[str, str] = {}
    rows: dict[str, np.ndarray] = {}
    for name, joints in read_keypoints(keypoints).items():
        # anna/01.jpg is anna_01, as in vdg.data.folder
        row = Path(composed(name).replace("/", "_")).stem
        if row in rows:
            raise InputError(
                f"{keypoints}: {given[row]} and {name} have one name, {row}, without a suffix: "
                "rename one"
            )
        given[row], rows[row] = name, joints
    return rows


def _row_of(name: str, rows: dict[str, np.ndarray], keypoints: Path) -> str:
    """The row of a target, as in `draw_masks`. Raises InputError if there is none."""
    if name in rows:
        return name
    found = [row for row in rows if row in name]
    if not found:
        raise InputError(
            f"{keypoints} has no row for {name}: add one, named as the picture is, with _ for /"
        )
    # by its end, because a row's name may be the end of another's: anna_01 in hanna_01
    return max(found, key=lambda row: (name.rfind(row) + len(row), len(row)))


def _check_joints(joints: np.ndarray, name: str, size: tuple[int, int], keypoints: Path) -> None:
    """Raise InputError for joints outside of a target, and if all are missing."""
    require_inside(joints, size, f"{keypoints}: {name}", "its image")
    if (joints < 0).all():  # an empty mask, with which mask-SSIM is always 1
        raise InputError(f"{keypoints} has no joint for {name}: leave its picture out")


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} high, {shape[1]} wide"
