"""Reader of DeepFashion In-shop Clothes Retrieval (Liu et al., CVPR 2016): images of img.zip."""

import re
from pathlib import Path

from vdg.data.archive import Archive
from vdg.data.images import ImageSet
from vdg.errors import InputError
from vdg.keypoints.annotations import check_names

HELP = (
    "DeepFashion In-shop Clothes Retrieval Benchmark (Liu et al., CVPR 2016; MMLAB, CUHK) is for"
    " non-commercial research under an agreement; get img.zip from the authors' project page,"
    " unpack it with the password that they give, and put the folder img at {path}"
)
MEMBER = re.compile(r"(?:.*/)?(MEN|WOMEN)/(\w+)/id_(\d+)/(\d+)_(\d)_(\w+\.(?:jpg|png))", re.ASCII)


def flat_name(member: str) -> str | None:
    """The name of an archive member in the published annotations.

    img/MEN/Jackets_Vests/id_00000653/04_1_front.jpg becomes
    fashionMENJackets_Vestsid0000065304_1front.jpg; None for a path of another form.
    """
    match = MEMBER.fullmatch(member)
    return "fashion{}{}id{}{}_{}{}".format(*match.groups()) if match else None


def read(
    root: Path, *, height: int, width: int, names: dict[str, list[str]] | None = None
) -> dict[str, ImageSet]:
    """Read the splits in `names`, each sorted by image name; identities are outfits.

    root: the folder img, a folder above it, or a zip archive without a password.
    height, width: expected size of each image, in pixels (256, 256).
    names: flat image names of each split, from its annotation file.

    Raises InputError for a damaged archive, missing annotations, names without an image, and
    images of another mode or size.
    """
    if not names:
        raise InputError(
            "DeepFashion has no split of its own: set `annotations` to the key-point CSV files,"
            " whose names are the split"
        )
    with Archive(root) as archive:
        members = {}
        for member in archive.members:
            name = flat_name(member)
            if name in members:
                raise InputError(
                    f"{root} holds {name} twice, as {members[name]} and {member}: remove one"
                )
            if name:
                members[name] = member
        if not members:
            raise InputError(
                f"{root} holds no image such as img/WOMEN/Dresses/id_00002629/02_3_back.jpg,"
                f" but {archive.found()}: give the folder img of DeepFashion In-shop"
            )
        for part, listed in names.items():
            check_names(listed, members, f"the {part} annotations against {root}")
        return {
            part: ImageSet(
                names=sorted(listed),
                identities=[name.rpartition("_")[0] for name in sorted(listed)],
                images=archive.images(
                    [members[name] for name in sorted(listed)], height, width, f"read {part}"
                ),
            )
            for part, listed in names.items()
        }
