"""Write key points, masks, pairs and a contact sheet of each split to data/<dataset>/poses/."""

import numpy as np

from vdg import cli, layout
from vdg.code import unchanged
from vdg.data import preparation
from vdg.data.images import ImageSet
from vdg.drawing import contact_sheet, save_png
from vdg.files import read_json, replacing_folder
from vdg.masks import pose_mask

SHEET = 16


def main():
    args = cli.arguments(__doc__, "dataset")
    config = read_json(layout.config(args.dataset, "pose-heatmaps"))
    data = layout.DATA / args.dataset
    settings = dict(config["poses"])
    if "estimator" in settings:  # its name, on which the run depends
        from vdg import estimators  # torch, which published key points do not need
        from vdg.runtime import select_device

        estimators.require(settings.pop("estimator"))
        settings["device"] = select_device(settings["device"])
    with unchanged(config["code"]):
        splits = preparation.build(data / "download", **settings)

    poses = splits["test"]
    sources = np.unique(poses.pairs[:, 0])
    shown = sources[np.linspace(0, len(sources) - 1, min(SHEET, len(sources))).astype(int)]
    images = ImageSet.open(data / "download" / f"{poses.part}.safetensors").images[shown]
    scale = max(1, 128 // poses.size[0])
    masks = [pose_mask(joints, *poses.size) for joints in poses.keypoints[shown]]
    sheet = contact_sheet(images, poses.keypoints[shown], masks, scale)
    with replacing_folder(data / "poses") as output, unchanged(config["code"]):
        for name, poses in splits.items():
            poses.save(output / f"{name}.safetensors")
            print(f"{name}: {len(np.unique(poses.pairs))} images, {len(poses.pairs)} pairs")
        save_png(output / "contact-sheet.png", sheet)


if __name__ == "__main__":
    cli.run(main)
