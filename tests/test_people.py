"""`vdg people`: folders of rendered people, to try things on."""

import numpy as np
import pytest
from PIL import Image

from vdg.data.rendered.render import render as rendered
from vdg.data.synthetic.render import render as synthetic
from vdg.keypoints.annotations import read_keypoints


@pytest.mark.parametrize(("like", "draw"), [("synthetic", synthetic), ("rendered", rendered)])
def test_people_of_either_data_set(vdg, tmp_path, like, draw):
    wanted = ("--identities", 2, "--views", 3, "--height", 64, "--like", like)
    done = vdg("people", "--output", tmp_path / "people", *wanted)
    assert done.returncode == 0, done.stderr
    joints = read_keypoints(tmp_path / "people.csv")
    assert list(joints) == [f"{who}/{view:02d}.png" for who in (3001, 3002) for view in range(3)]
    expected = draw(3002, 1, 64, 0)
    found = np.asarray(Image.open(tmp_path / "people/3002/01.png"))
    np.testing.assert_array_equal(found, expected.image)
    np.testing.assert_array_equal(joints["3002/01.png"], expected.keypoints)
