"""The open benchmark: rendered people at the size of Market-1501, 128 x 64, with faces and bags.

See docs/rendered.md. People, clothes and cameras are sampled; what is shared with the small
embedded data set is in `vdg.data.rendering`.
"""

from pathlib import Path

from vdg.data.rendered.render import render
from vdg.data.rendering import archive


def write_archive(folder: Path, **settings) -> None:
    """Render the data set, see `vdg.data.rendering.archive.write_archive`."""
    archive.write_archive(folder, render, **settings)
