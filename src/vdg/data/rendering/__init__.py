"""What the two embedded data sets of rendered people share: geometry, poses, raster and archive.

`vdg.data.synthetic` and `vdg.data.rendered` say whom they draw and before what. Here people are
articulated bodies of tapered capsules under an orthographic camera, and a picture depends on
(seed, identity, view) alone.

Frames are right-handed. Body frames: x to the person's left, y up, z out of the chest. Camera
space: x to the right of the image, y up, z towards the camera. Lengths are in body heights. Every
body part extends along the -y axis of its own frame.
"""
