"""Reader of DeepFashion In-shop Clothes Retrieval (Liu et al., CVPR 2016).

It takes the folders img and img_highres as they are distributed, and the flattened copies that
Def-GAN's, PATN's and PIDM's code makes of them.
"""

import re

from vdg.data.archive import Archive
from vdg.data.images import ImageSet
from vdg.data.names import reader_of
from vdg.errors import InputError
from vdg.keypoints.annotations import check_names

HELP = (
    "DeepFashion In-shop Clothes Retrieval Benchmark (Liu et al., CVPR 2016; MMLAB, CUHK) is for"
    " non-commercial research under an agreement; get img.zip from the authors' project page,"
    " unpack it with the password that they give, and put the folder img at {path}"
)
MEMBER = re.compile(r"(?:.*/)?(MEN|WOMEN)/(\w+)/id_(\d+)/(\d+)_(\d)_(\w+\.(?:jpg|png))", re.ASCII)
# fashion in the published tables, fasion by Def-GAN's script, deepfashion with .png in PIDM's
FLAT = re.compile(
    r"(?:(?:.*/)?(train|test)/|(?:.*/)?)(?:deepfashion|fashion|fasion)"
    r"((?:MEN|WOMEN)\w+?id\d{8}\d{2})(_\d\w+)\.(?:jpg|png)",
    re.ASCII,
)
MAX_STRETCH = 1.05
"""Largest change of the ratio of the sides: 750 x 1101 to 176 x 256 is 1.01, to a square 1.47."""


def flat_name(member: str) -> str | None:
    """The name of an archive member in the published annotations.

    img/MEN/Jackets_Vests/id_00000653/04_1_front.jpg becomes
    fashionMENJackets_Vestsid0000065304_1front.jpg, and so do its flattened copies, but for their
    suffix; None for a path of another form.
    """
    if match := MEMBER.fullmatch(member):
        return "fashion{}{}id{}{}_{}{}".format(*match.groups())
    if match := FLAT.fullmatch(member):
        return f"fashion{match[2]}{match[3]}.{member.rpartition('.')[2]}"
    return None


def _key(name: str) -> str:
    """By which a row of a table and an image are the same: the flat name without suffix."""
    return (flat_name(name) or name).rpartition(".")[0] or name


def read(
    archive: Archive,
    *,
    height: int,
    width: int,
    names: dict[str, list[str]] | None = None,
    resize: str | None = None,
) -> dict[str, ImageSet]:
    """Read the splits in `names`, each sorted by image name; identities are outfits.

    archive: the folder img or img_highres, a folder above it, a folder of flattened names, or a zip
        archive without a password.
    height, width: size of each image, in pixels (256, 256). resize: see `Archive.image`; None
        expects images of that size.
    names: flat image names of each split, from its annotation file. Without them the folders train/
        and test/ of flattened names are the splits.

    Raises InputError for a damaged archive, a split that nothing defines, names without an image,
    and images of another mode or size.
    """
    members: dict[str, str] = {}
    for member in archive.members:
        name = flat_name(member)
        if name is None:
            continue
        if (key := _key(name)) in members:
            raise InputError(
                f"{archive.root} holds {name} twice, as {members[key]} and {member}: remove one, or"
                " give the folder of one"
            )
        members[key] = member
    if not names:
        names = _folders(members.values())
    if not names:
        raise InputError(
            "DeepFashion has no split of its own: set `annotations` to the key-point CSV files,"
            " whose names are the split (flattened images in train/ and test/ need none)"
        )
    if not members:
        fitting = reader_of(archive.members)
        raise InputError(
            f"{archive.root} holds no image such as img/WOMEN/Dresses/id_00002629/02_3_back.jpg,"
            f" but {archive.found()}: give the folder img of DeepFashion In-shop"
            + (f" ({fitting})" if fitting else "")
        )
    for part, listed in names.items():
        unknown = [name for name in listed if _key(name) not in members]
        check_names(unknown, {}, f"the {part} annotations against {archive.root}")
    return {
        part: ImageSet(
            names=sorted(listed),
            identities=[_key(name).rpartition("_")[0] for name in sorted(listed)],
            images=archive.images(
                [members[_key(name)] for name in sorted(listed)],
                height,
                width,
                f"read {part}",
                resize=resize,
                max_stretch=MAX_STRETCH,
            ),
        )
        for part, listed in names.items()
    }


def _folders(members) -> dict[str, list[str]]:
    """File names by the folders train/ and test/ of flattened images; empty without both or one."""
    parts: dict[str, list[str]] = {}
    for member in members:
        match = FLAT.fullmatch(member)
        if match and match[1]:
            parts.setdefault(match[1], []).append(member.rpartition("/")[2])
    return {part: parts[part] for part in ("train", "test") if part in parts}
