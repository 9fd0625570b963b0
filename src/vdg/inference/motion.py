"""Motion: poses of the frames of a video, smoothed if wanted.

Poses are float (T, 18, 2), (y, x) in pixels, nan where a joint is missing.
"""

import itertools
import re
from pathlib import Path

import numpy as np

from vdg.clutter import is_clutter
from vdg.data.names import SUFFIXES
from vdg.errors import InputError
from vdg.pose import TORSO

WINDOW, ORDER = 7, 2  # frames and degree of the Savitzky-Golay filter; 7 are 0.3 s of a video
MOST_FRAMES = 2000  # 80 s of a video; all are in memory at once, and in one GIF
LONGEST_GAP = 3  # frames that are interpolated; over a longer gap a limb may do anything
FITTED = 0.9  # of the frame's height or width that a fitted motion fills, as in detectors' crops


def natural(path: Path | str) -> list:
    """Sorting key by which frame2 comes before frame10."""
    parts = re.split(r"(\d+)", str(path))  # numbers at the odd places
    return [int(part) if place % 2 else part for place, part in enumerate(parts)]


def frames(texts: list[str]) -> list[str]:
    """The frames of a motion in natural order: files as they are, folders as what they hold.

    Of a folder, JSON files are its frames if there are any, else images.

    Raises InputError for a folder without frames, and for fewer than two or more than MOST_FRAMES;
    a single file of key points may hold several.
    """
    frames = expanded(texts)
    if len(frames) < 2 and Path(frames[0]).suffix.lower() not in (".json", ".csv"):
        raise InputError(f"{' '.join(texts)}: a motion has two frames or more")
    if len(frames) > MOST_FRAMES:
        raise InputError(
            f"{texts[0]}: a motion of {len(frames)} frames, at most {MOST_FRAMES} are possible: "
            "split it, or take every second frame"
        )
    return sorted(frames, key=natural)


def expanded(texts: list[str]) -> list[str]:
    """Poses by name or file, with the frames of a folder in its place."""
    files: list[str] = []
    for text in texts:
        files += map(str, _inside(Path(text))) if text and Path(text).is_dir() else [text]
    return files


def _inside(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.is_file() and not is_clutter(path.name)]
    for suffixes in ((".json",), SUFFIXES):
        if chosen := [path for path in files if path.suffix.lower() in suffixes]:
            return sorted(chosen, key=natural)
    raise InputError(f"{folder} holds no frames: JSON files of key points or images")


def smooth(poses: np.ndarray) -> np.ndarray:
    """Interpolate gaps of up to LONGEST_GAP frames linearly, then smooth each joint over time.

    The Savitzky-Golay filter (Analytical Chemistry, 1964) keeps the reach of a swinging arm, which
    a moving average shortens. It acts on each run of frames that have the joint; runs shorter than
    its WINDOW stay as they are.
    """
    from scipy.signal import savgol_filter  # takes half a second, which one pose need not wait

    filled = poses.astype(float)
    for joint in range(filled.shape[1]):
        track = filled[:, joint]  # (T, 2), a view
        for start, end in _runs(np.isnan(track[:, 0])):
            if start > 0 and end < len(track) and end - start <= LONGEST_GAP:
                share = np.arange(1, end - start + 1)[:, None] / (end - start + 1)
                track[start:end] = (1 - share) * track[start - 1] + share * track[end]
        for start, end in _runs(~np.isnan(track[:, 0])):
            if end - start >= WINDOW:
                track[start:end] = savgol_filter(track[start:end], WINDOW, ORDER, axis=0)
    return filled


def _runs(wanted: np.ndarray):
    """Yield (start, end) of the runs of true values."""
    index = 0
    for value, run in itertools.groupby(wanted.tolist()):
        length = len(list(run))
        if value:
            yield index, index + length
        index += length


def fit(poses: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale and move all frames alike, so that their joints together fill a frame (H, W)."""
    low, high = np.nanmin(poses, (0, 1)), np.nanmax(poses, (0, 1))
    extent = np.maximum(high - low, 1)
    scale = FITTED * (np.array(size) / extent).min()
    return (poses - (low + high) / 2) * scale + (np.array(size) - 1) / 2


def whole(poses: np.ndarray) -> np.ndarray:
    """bool (T,): whether a frame has both shoulders and both hips."""
    return ~np.isnan(poses[:, list(TORSO)]).any((1, 2))


def pixels(poses: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Poses as int16 key points (T, 18, 2) inside a frame (H, W), -1 = missing."""
    inside = np.clip(np.floor(poses + 0.5), 0, np.array(size) - 1)
    return np.where(np.isnan(poses), -1, inside).astype(np.int16)
