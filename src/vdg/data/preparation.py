"""Prepare a packed data set for training and evaluation: filter, split, pairs and masks."""

import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from vdg.data.fitting import require_inside
from vdg.data.images import ImageSet
from vdg.data.pairs import all_pairs, hold_out, is_valid
from vdg.data.pose_set import PoseSet
from vdg.errors import InputError
from vdg.files import Rows
from vdg.keypoints import order
from vdg.keypoints.annotations import check_names, read_keypoints, read_pairs
from vdg.masks import pose_mask


def build(
    download: Path,
    *,
    split: str,
    hold_out_identities: int,
    validation_identities: int,
    device: str,
) -> dict[str, PoseSet]:
    """Key points, masks and pairs of the splits "train", "validation" and "test".

    download: output folder of the download stage.
    split: "official" uses the data set's own split; "hold-out" uses the last `hold_out_identities`
        valid identities of the official training images as the test split.
    validation_identities: number of identities held out from the end of the remaining training
        identities, to tune settings; with 0 the validation split has no pairs.
    device: device of the key-point estimation if the data set has no annotations.

    Raises InputError if a split is missing, a joint lies outside its image, training and test share
    identities, or no pair remains.
    """
    if split == "official" and not (download / "test.safetensors").is_file():
        raise InputError(
            "this copy of the data set has no test images: get the complete archive, or hold "
            "identities of the training part out with dataset.<name>.poses.split=hold-out"
        )
    published = download / "pairs-test.csv"
    if split == "hold-out" and published.is_file():
        raise InputError(
            "a published list of test pairs is for the official split: set source.pairs to null, "
            "or poses.split to official"
        )
    train = _Part.read(download, "train", device)
    kept = list(dict.fromkeys(train.identity[name] for name in train.valid))
    if split == "official":
        test = _Part.read(download, "test", device)
        held_out = set(test.identity.values())
        _report_shared(sorted(held_out.intersection(kept)), published.is_file())
    else:
        test = train
        kept, held_out = hold_out(kept, hold_out_identities, "hold_out_identities")
    kept, validation = hold_out(kept, validation_identities, "validation_identities")
    wanted = read_pairs(published) if published.is_file() else None
    return {
        "train": train.poses(kept, None),
        "validation": train.poses(validation, None, empty=not validation_identities),
        "test": test.poses(held_out, wanted),
    }


def _report_shared(identities: list[str], published: bool) -> None:
    """Report identities of both the training and the test part, if there are any.

    published: a published list of pairs fixes the split, so it is used as it is, with a warning.
    Raises InputError otherwise, because the scores would be of people seen in training.
    """
    if not identities:
        return
    shown = ", ".join(identities[:3]) + (", ..." if identities[3:] else "")
    shared = f"training and test share {len(identities)} identities: {shown}"
    if not published:
        raise InputError(f"{shared}; remove them from one part, or set poses.split to hold-out")
    print(f"{shared}; kept, as the published list of pairs has them", file=sys.stderr)


def _doubt(keypoints: dict[str, np.ndarray], annotation: Path) -> None:
    """Warn of joints that the people's anatomy shows to be in another order."""
    people = np.array(list(keypoints.values()), float).reshape(-1, 18, 2)
    for doubt in order.doubts(np.where(people < 0, np.nan, people)):
        print(f"warning: {annotation}: {doubt}", file=sys.stderr)


@dataclass
class _Part:
    part: str
    names: list[str]  # in the order of the packed images
    identity: dict[str, str]
    keypoints: dict[str, np.ndarray]  # in the order of the annotations
    size: tuple[int, int]

    @classmethod
    def read(cls, download: Path, part: str, device: str) -> "_Part":
        images = ImageSet.open(download / f"{part}.safetensors")
        size = images.size
        annotation = download / f"annotation-{part}.csv"
        if annotation.is_file():
            keypoints = read_keypoints(annotation)
            _doubt(keypoints, annotation)
        else:
            # torch, which published key points do not need
            from vdg import estimators
            from vdg.runtime import scratch_folder

            run = {"estimator": estimators.name(), "device": str(device)}
            kept = scratch_folder(run, [download / f"{part}.safetensors"])
            found = estimators.estimate_all(images.images, device, kept)
            keypoints = dict(zip(images.names, found, strict=True))
        for name, joints in keypoints.items():
            require_inside(joints, size, f"{annotation}: {name}", "its image")
        identity = dict(zip(images.names, images.identities, strict=True))
        return cls(part, images.names, identity, keypoints, size)

    @property
    def valid(self) -> list[str]:
        return [
            name for name, joints in self.keypoints.items() if is_valid(self.identity[name], joints)
        ]

    def poses(
        self, identities: set[str], wanted: list[tuple[str, str]] | None, empty: bool = False
    ) -> PoseSet:
        """The split of `identities`, with all their pairs or the published pairs `wanted`.

        empty: allow a split without pairs.
        """
        place = {name: i for i, name in enumerate(self.names)}
        used = [name for name in self.valid if self.identity[name] in identities]
        if wanted is None:
            pairs = all_pairs([self.identity[name] for name in used])
            pairs = np.array([place[name] for name in used], np.int32)[pairs]
        else:
            used = list(dict.fromkeys(name for pair in wanted for name in pair))
            check_names(used, place, "the published pairs against the pictures")
            check_names(used, self.keypoints, "the published pairs against the annotations")
            pairs = np.array([[place[a], place[b]] for a, b in wanted], np.int32)
        if not (len(pairs) or empty):
            raise InputError(
                f"no pair is left in the {self.part} part: of {len(self.keypoints)} pictures "
                f"{len(self.valid)} have both shoulders and both hips, and none shares its "
                "identity with another; check the annotations"
            )
        keypoints = np.full((len(self.names), 18, 2), -1, np.int16)
        for name in used:
            keypoints[place[name]] = self.keypoints[name]
        return PoseSet(self.part, self.names, keypoints, self._masks(keypoints), pairs, self.size)

    def _masks(self, keypoints: np.ndarray) -> Rows:
        """The masks of key points (N, 18, 2) as bits, empty where there are none."""
        height, width = self.size
        shape = len(keypoints), -(-height * width // 8)

        def rows():
            bar = tqdm(keypoints, desc=f"masks {self.part}", unit=" images", disable=None)
            return (np.packbits(pose_mask(joints, height, width)) for joints in bar)

        return Rows(shape, np.dtype(np.uint8), rows)
