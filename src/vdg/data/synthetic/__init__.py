"""The embedded data set: synthetic people as surveillance crops, small and quick to learn.

Public data sets of people may not be redistributed with code, so this package renders one, see
`vdg.data.rendering`: plain bodies in patterned clothes before a textured wall and ground.
"""

from pathlib import Path

from vdg.data.rendering import archive
from vdg.data.synthetic.render import render


def write_archive(folder: Path, **settings) -> None:
    """Render the data set, see `vdg.data.rendering.archive.write_archive`."""
    archive.write_archive(folder, render, **settings)
