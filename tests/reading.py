"""Read a data set with one of the readers, or its poses, whole."""

from dataclasses import replace

import numpy as np

from vdg.data import preparation
from vdg.data.archive import Archive
from vdg.data.pose_set import PoseSet


def read_all(reader, root, **options):
    """What `reader.read` returns of the archive or folder `root`, with images as arrays."""
    with Archive(root) as archive:
        return {part: _decoded(found) for part, found in reader.read(archive, **options).items()}


def _decoded(found):
    if isinstance(found, tuple):  # of reader `folder`: images and key points
        images, keypoints = found
        return _decoded(images), keypoints
    rows = [*found.images]
    return replace(found, images=np.stack(rows) if rows else np.empty(found.images.shape))


def build_poses(folder, download, **settings):
    """What `preparation.build` returns, saved in `folder` and read again."""
    for split, poses in preparation.build(download, **settings).items():
        poses.save(folder / f"{split}.safetensors")
    splits = ("train", "validation", "test")
    return {split: PoseSet.load(folder / f"{split}.safetensors") for split in splits}
