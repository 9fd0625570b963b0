"""Read folders of generated images of any system, to score them with the same metrics."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vdg.clutter import composed, is_clutter
from vdg.decoding import open_file, opened, upright
from vdg.errors import InputError
from vdg.evaluation.names import SUFFIXES, VIS, bare, places, target_of
from vdg.keypoints.by_picture import ByPicture
from vdg.large_arrays import Array, Computed, Spool, bits, masks_of
from vdg.masks import pose_mask

Pictures = dict[str, Array]
"""Images by file name without suffix, sorted by name: uint8 (H, W, 3) each, read when indexed."""


class Folder(Mapping[str, np.ndarray]):
    """The JPEG and PNG files of a folder by name without suffix, sorted, decoded when asked for.

    mode: "RGB", or "L" for masks (H, W).
    Raises InputError for a folder without images and two files of equal stem, and, when an image is
    asked for, if it does not decode or has transparent pixels.
    """

    def __init__(self, folder: Path, mode: str = "RGB"):
        self.folder, self.mode = Path(folder), mode
        if not self.folder.is_dir():
            raise InputError(f"{folder} is not a folder of pictures")
        self._files: dict[str, Path] = {}
        for path in sorted(self.folder.iterdir()):
            if path.suffix.lower() not in SUFFIXES or is_clutter(path.name):
                continue
            if (name := composed(path.stem)) in self._files:
                raise InputError(f"{folder} holds two pictures named {name}: remove one")
            self._files[name] = path
        if not self._files:
            raise InputError(f"{folder} holds no JPEG or PNG files")

    def __len__(self) -> int:
        return len(self._files)

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __getitem__(self, name: str) -> np.ndarray:
        return _read(self._files[name], self.mode)


def read_folder(folder: Path, mode: str = "RGB") -> Pictures:
    """Decode all images of a `Folder`. Raises InputError as that does.

    Their pixels are kept in a temporary file: a test list of a large data set exceeds the memory.
    """
    spool = Spool()
    return {name: spool.keep(image) for name, image in progress(Folder(folder, mode))}


def progress(pictures: Mapping[str, np.ndarray]) -> Iterable[tuple[str, np.ndarray]]:
    """The items of a `Folder`, or of another mapping, while a bar tells how many were decoded."""
    return tqdm(pictures.items(), desc="read", unit=" pictures", disable=None)


def _read(file: Path, mode: str) -> np.ndarray:
    with open_file(file) as data, opened(data, str(file), ("JPEG", "PNG")) as picture:
        if picture.mode not in ("RGB", "L", "P", "1"):
            raise InputError(f"{file} is {picture.mode}: save it as RGB")
        if "transparency" in picture.info:  # converting to RGB would drop it silently
            raise InputError(f"{file} has a transparent colour: save it as RGB without one")
        return np.asarray(upright(picture, str(file)).convert(mode))


def formats(folder: Path) -> set[str]:
    """The formats of a folder's images, "JPEG" or "PNG", by their first bytes."""
    kinds = set()
    for path in Path(folder).iterdir():
        if path.suffix.lower() in SUFFIXES and not is_clutter(path.name):
            with open_file(path) as data:
                kinds.add("JPEG" if data.read(2) == b"\xff\xd8" else "PNG")
    return kinds


def in_order(pictures: Pictures, pairs: Iterable[tuple[str, str]]) -> Pictures:
    """The images, named as `vdg.evaluation.names.spellings`, in the order of a list of pairs.

    Raises InputError for a name without a pair, or that is of two pairs.
    """
    known = places((composed(source), composed(target)) for source, target in pairs)
    for name in pictures:
        if name not in known:
            raise InputError(
                f"{name} is no pair of the list: pictures are named SOURCE__TARGET, or strips "
                f"SOURCE___TARGET{VIS}"
            )
        if known[name] < 0:
            raise InputError(f"{name} may be two pairs of the list: rename it SOURCE__TARGET")
    return {name: pictures[name] for name in sorted(pictures, key=lambda name: known[name])}


def partners(pictures: Pictures, others: Pictures, kind: str, partner: str) -> Pictures:
    """The partner of each image among others, under the image's own name.

    It has the same name, or, where no name is the same, that which the image's ends in: B of
    A_2_B_vis. kind, partner: what they are, for messages. Raises InputError for images without a
    partner, and with equal names for partners without an image.
    """
    if pictures.keys() & others.keys():
        require_same_names(pictures, others, kind, partner)
        return {name: others[name] for name in pictures}
    known = {bare(name): name for name in others}
    targets = {name: target_of(name, known) for name in pictures}
    lonely = [name for name, target in targets.items() if target is None]
    if lonely:
        raise InputError(
            f"{len(lonely)} of {len(pictures)} {kind} pictures have no {partner} picture of the "
            f"same name, or of the name that theirs ends in: {_first(lonely)}"
        )
    return {name: others[known[target]] for name, target in targets.items() if target}


def stack(generated: Pictures, targets: Pictures) -> tuple[list[str], Array, Array]:
    """Names, generated and target images (N, H, W, 3), of equal names, in the targets' order.

    Raises InputError for images of another size.
    """
    size = next(iter(targets.values())).shape
    for name in targets:
        for kind, pictures in (("target", targets), ("generated", generated)):
            if pictures[name].shape != size:
                raise InputError(
                    f"{name}: the {kind} picture is {_size(pictures[name].shape)}, "
                    f"the first target {_size(size)}: all must be of one size"
                )
    names = list(targets)
    return names, *(_stacked([pictures[n] for n in names]) for pictures in (generated, targets))


def _stacked(pictures: list[Array]) -> Array:
    """Pictures of one size as one array."""
    shape = len(pictures), *pictures[0].shape
    return Computed(shape, lambda which: np.stack([pictures[i][:] for i in which]))


def require_same_names(one: Pictures, other: Pictures, first: str, second: str) -> None:
    """Raise InputError if some names occur on one side only."""
    for here, there, kind, partner in ((one, other, first, second), (other, one, second, first)):
        lonely = [name for name in here if name not in there]
        if lonely:
            raise InputError(
                f"{len(lonely)} of {len(here)} {kind} pictures have no {partner} picture of the "
                f"same name: {_first(lonely)}"
            )


def stack_masks(masks: Pictures, targets: Pictures, folder: Path) -> Array:
    """Masks of the targets, (H, W) each, as bool (N, H, W), body above 127, named as `partners`.

    folder: where they are from, for messages.
    Raises InputError for a mask without a target, of another size or without a body.
    """
    masks = partners(targets, masks, "target", "mask")
    bodies = []
    for name, target in targets.items():
        if masks[name].shape != target.shape[:2]:
            raise InputError(
                f"{name}: the mask is {_size(masks[name].shape)}, its target {_size(target.shape)}"
            )
        body = masks[name][:] > 127
        if not body.any():  # the mask-SSIM of such a pair is always 1
            raise InputError(
                f"{folder}: the mask of {name} has no pixel above 127: save masks white on black, "
                "the body as 255"
            )
        bodies.append(bits(body[None]))
    return masks_of(np.concatenate(bodies), *body.shape)


def draw_masks(keypoints: Sequence[Path], targets: Pictures) -> Array:
    """Pose masks M_b of the targets, bool (N, H, W), from files that name their pictures.

    A target uses the row whose name its file name is or ends in, because other systems name their
    files SOURCE___TARGET; of several such rows, that of the longest name.

    Raises InputError for a target without a row or joint, and for many joints outside of it.
    """
    rows = _rows(keypoints)
    where = ", ".join(map(str, keypoints))
    size = next(iter(targets.values())).shape[:2]
    masks = []
    for name in targets:
        row = name if name in rows else target_of(name, rows)
        if row is None:
            raise InputError(
                f"{where} has no row for {name}: add one, named as the picture is, with _ for /, "
                "or the file of the other split to --keypoints"
            )
        given, picture = rows[row]
        joints = given.pixels(picture, size)
        if (joints < 0).all():  # an empty mask, with which mask-SSIM is always 1
            raise InputError(f"{given.path} has no joint for {name}: leave its picture out")
        masks.append(bits(pose_mask(joints, *size)[None]))
    for given in {id(given): given for given, _ in rows.values()}.values():
        given.say_beyond()
    return masks_of(np.concatenate(masks), *size)


def _rows(keypoints: Sequence[Path]) -> dict[str, tuple[ByPicture, str]]:
    """The file and the picture in it by the name that a data set gives an image, without suffix.

    Raises InputError for two rows of one name.
    """
    rows: dict[str, tuple[ByPicture, str]] = {}
    for given in map(ByPicture, keypoints):
        for name in given:
            # anna/01.jpg is anna_01, as in vdg.data.folder
            row = composed(Path(name.replace("/", "_")).stem)
            if row in rows:
                other, first = rows[row]
                same = other.path == given.path
                where = f"{given.path}:" if same else f"{other.path} and {given.path}:"
                raise InputError(
                    f"{where} {first} and {name} have one name, {row}, without a suffix: rename one"
                )
            rows[row] = given, name
    return rows


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} high, {shape[1]} wide"


def _first(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if names[3:] else "")
