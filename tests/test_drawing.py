"""What drawing adds to pictures."""

import numpy as np
import torch

from vdg import drawing
from vdg.heat_maps import heat_maps
from vdg.masks import pose_mask

H, W, SCALE = 64, 32, 2


def test_a_contact_sheet_shows_the_heat_maps_and_the_mask(pose):
    joints = [pose({0: (5, 7), 1: (20, 15), 4: (40, 30)}), pose({}), pose({2: (3, 3)})]
    pictures = np.full((3, H, W, 3), 200, np.uint8)
    masks = [pose_mask(keypoints, H, W) for keypoints in joints]
    sheet = np.asarray(drawing.contact_sheet(pictures, np.array(joints), masks, SCALE))
    heat = heat_maps(torch.tensor(np.array(joints)), H, W).amax(1).numpy()
    step = W * SCALE + drawing.GAP
    for i, (row, column) in enumerate([(0, 0), (1, 0), (0, 4)]):  # the first half on the left
        top = 16 + row * (H * SCALE + drawing.GAP)
        cells = [
            sheet[top : top + H * SCALE, (column + k) * step : (column + k) * step + W * SCALE]
            for k in range(4)
        ]
        picture, _, warm, masked = (cell[::SCALE, ::SCALE].astype(int) for cell in cells)
        assert (picture == 200).all()
        np.testing.assert_allclose(warm[..., 0], 200 + 55 * 0.7 * heat[i], atol=1)
        np.testing.assert_allclose(warm[..., 1], 200 - 200 * 0.7 * heat[i], atol=1)
        np.testing.assert_array_equal(masked[..., 0], np.where(masks[i], 200, 50))
