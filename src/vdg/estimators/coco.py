"""Convert COCO's 17 joints, the output of our estimators, to OpenPose's 18.

The published key points come from OpenPose. Another estimator detects slightly different joints, so
results on its key points are close to, but not equal to, results on the published ones.
"""

import numpy as np

# COCO's index of each OpenPose joint (nose, neck, right arm, left arm, right leg, left leg, eyes,
# ears; right before left). COCO has no neck; it is computed from the shoulders.
LEFT_SHOULDER, RIGHT_SHOULDER, NECK = 5, 6, 1
OPENPOSE = [0, 0, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3]


def coco_to_openpose(keypoints: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Convert COCO's 17 joints to OpenPose's 18, with the neck midway between the shoulders.

    keypoints: float, (N, 17, 2) as (x, y) in pixels, where pixel i spans [i, i + 1).
    visible: bool, (N, 17); the neck is missing if a shoulder is.

    Returns int16, (N, 18, 2) as (y, x), -1 = missing.
    """
    joints, found = keypoints[:, OPENPOSE], visible[:, OPENPOSE]
    shoulders = [LEFT_SHOULDER, RIGHT_SHOULDER]
    joints[:, NECK] = keypoints[:, shoulders].mean(axis=1)
    found[:, NECK] = visible[:, shoulders].all(axis=1)
    return np.where(found[..., None], np.floor(joints[..., ::-1]), -1).astype(np.int16)
