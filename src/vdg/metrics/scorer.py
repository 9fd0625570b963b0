"""All metrics of one set of generated images at once."""

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from tqdm import tqdm

from vdg.errors import InputError
from vdg.large_arrays import Array, Computed
from vdg.metrics import classifiers
from vdg.metrics.fid import Statistics, fid, statistics
from vdg.metrics.gradient import gradient_magnitude
from vdg.metrics.inception_score import inception_score
from vdg.metrics.perceptual import Perceptual
from vdg.metrics.pose_accuracy import PoseMetric
from vdg.metrics.psnr import psnr
from vdg.metrics.sharpness import sharpness
from vdg.metrics.ssim import WINDOWS, mask_ssim, ssim

BATCH = 50
WIDE = len(WINDOWS["wide"][0])  # of smaller images there is no such SSIM
FLOOR_MASKS = 1000  # enough to estimate the noise floor of mask-SSIM
FLOOR_CHUNK = 128  # noise images at once: whole numbers of four bytes, which are drawn together


class Scorer:
    """Scores generated images against the targets of one test list.

    targets: uint8 (N, H, W, 3), read chunk by chunk, as all images are.
    masks: bool (N, H, W), pose masks of the targets; None omits the masked metrics.
    classifier: network of IS and FID; None omits both.
    crop_width: width of the central crop for a second SSIM without white margins; None omits it.
    pad_width: width to which white columns on both sides bring the images for a second SSIM, as
        PATN scores its crops of DeepFashion; None omits it.
    pose: pose metric; None omits it.
    references: those of FID by its name: "fid", of the targets, and "train_fid", of the training
        images; None computes that of the targets.
    perceptual: LPIPS; None omits it.

    Raises InputError for the one crop whose metric would have the name of another.
    """

    def __init__(
        self,
        targets: Array,
        masks: Array | None,
        classifier: classifiers.Classifier | None,
        crop_width: int | None = None,
        pose: PoseMetric | None = None,
        references: dict[str, Statistics] | None = None,
        perceptual: Perceptual | None = None,
        pad_width: int | None = None,
    ):
        if crop_width == WIDE:
            raise InputError(
                f"crop_width {WIDE}: ssim_{WIDE} is the SSIM with a window of {WIDE}: choose "
                f"{WIDE - 1} or {WIDE + 1}"
            )
        self.targets, self.masks, self.classifier = targets, masks, classifier
        self.crop_width, self.pad_width = crop_width, pad_width
        self.pose, self.perceptual = pose, perceptual
        if references is None and classifier is not None:
            references = {"fid": statistics(self.features(targets))}
        self.references = references or {}

    def __call__(self, generated: Array) -> tuple[dict[str, float], pd.DataFrame]:
        """generated: uint8 (N, H, W, 3). Returns (metrics of the set, metrics of each pair)."""
        columns: dict[str, np.ndarray] = {}
        spans = range(0, len(generated), BATCH)
        for i in tqdm(spans, desc="score", unit="batch", disable=None):
            chunk = slice(i, i + BATCH)
            for name, values in self._pairwise(generated[chunk], chunk).items():
                # made once: a few numbers that stay from each batch would lie between the large
                # blocks that come and go, and the heap would grow by a batch every time
                if name not in columns:
                    columns[name] = np.empty(len(generated))
                columns[name][chunk] = values
        table = pd.DataFrame(columns)
        metrics = {name: float(table[name].mean()) for name in table if "gradient" not in name}
        if self.classifier is not None:
            metrics |= self._set_metrics(generated)
        gradients = (table[name].to_numpy() for name in ("gradient", "target_gradient"))
        metrics["sharpness"] = sharpness(*gradients)
        return metrics, table

    @property
    def classifier_suffix(self) -> str:
        """Suffix of the stand-in classifier's scores, which do not compare with published ones."""
        name = self.classifier.name
        return "" if name == "Inception-2015" else "_" + name.lower().replace("-", "_")

    def _set_metrics(self, generated: Array) -> dict[str, float]:
        features, probabilities = self._classify(generated)
        inception = {"is": inception_score(probabilities)}
        del probabilities  # those of many images fill the memory: the next ones take their place
        moments = statistics(features)
        del features
        if (masks := self.masks) is not None:
            masked = Computed(generated.shape, lambda i: generated[i] * masks[i][..., None])
            inception["mask_is"] = inception_score(self._classify(masked)[1])
        metrics, suffix = {}, self.classifier_suffix
        for name, score in inception.items():
            metrics[name + suffix], metrics[f"{name}{suffix}_splits_std"] = score
        for name, reference in self.references.items():
            metrics[name + suffix] = fid(moments, reference)
        return metrics

    def _pairwise(self, generated: np.ndarray, chunk: slice) -> dict[str, torch.Tensor]:
        x, y = _channels_first(generated), _channels_first(self.targets[chunk])
        spread = (x.amax((1, 2, 3)) - x.amin((1, 2, 3))).double().clamp(min=1)
        metrics = {
            "ssim": ssim(x, y),
            "ssim_pg2": ssim(x, y, window="uniform"),
            "ssim_def_gan_script": ssim(x, y, data_range=spread),
            "psnr": psnr(x, y),
        }
        if min(x.shape[2:]) >= WIDE:
            metrics[f"ssim_{WIDE}"] = ssim(x, y, window="wide")
        if self.masks is not None:
            mask = torch.as_tensor(self.masks[chunk])[:, None]
            metrics["mask_ssim"] = mask_ssim(x, y, mask)
            metrics["mask_ssim_pg2"] = mask_ssim(x, y, mask, window="uniform")
        if self.crop_width:
            left = (x.shape[3] - self.crop_width) // 2
            middle = slice(left, left + self.crop_width)
            metrics[f"ssim_{self.crop_width}"] = ssim(x[..., middle], y[..., middle])
        if self.pad_width:
            padded = (_padded(image, self.pad_width) for image in (x, y))
            metrics[f"ssim_padded_{self.pad_width}"] = ssim(*padded)
        if self.pose is not None:
            metrics |= self.pose(generated, chunk)
        if self.perceptual is not None:
            metrics["lpips"] = self.perceptual(x, y)
        metrics["gradient"] = gradient_magnitude(x)
        metrics["target_gradient"] = gradient_magnitude(y)
        return metrics

    def features(self, images: Array) -> np.ndarray:
        """The classifier's features (N, D) of uint8 images (N, H, W, 3)."""
        return self._classify(images)[0]

    def _classify(self, images: Array) -> tuple[np.ndarray, np.ndarray]:
        arrays: list[np.ndarray] = []
        for i in tqdm(range(0, len(images), BATCH), desc="classify", disable=None):
            both = self.classifier(_channels_first(images[i : i + BATCH]))
            if not arrays:
                arrays = [np.empty((len(images), x.shape[1]), np.float32) for x in both]
            for array, x in zip(arrays, both, strict=True):
                array[i : i + BATCH] = x
        features, probabilities = arrays
        return features, probabilities


def _channels_first(images: np.ndarray) -> torch.Tensor:
    return torch.as_tensor(images).permute(0, 3, 1, 2)


def _padded(images: torch.Tensor, width: int) -> torch.Tensor:
    """Bytes (N, C, H, W) with white columns on both sides."""
    left = (width - images.shape[3]) // 2
    return F.pad(images, (left, width - images.shape[3] - left), value=255)


def noise_floor(masks: Array, most: int) -> float:
    """mask-SSIM between two noise images under the targets' masks: the floor of the metric.

    most: so many of the masks, the first, are enough.
    """
    count, *size = min(most, len(masks)), *masks.shape[1:]
    one, other = (np.random.default_rng(0) for _ in range(2))
    chunks = [range(i, min(i + FLOOR_CHUNK, count)) for i in range(0, count, FLOOR_CHUNK)]
    for chunk in chunks:  # the other's images come after all of the one's
        _noise(other, len(chunk), size)
    scores = []
    for chunk in chunks:
        x, y = (_channels_first(_noise(rng, len(chunk), size)) for rng in (one, other))
        scores.append(mask_ssim(x, y, torch.as_tensor(masks[chunk])[:, None]))
    return float(torch.cat(scores).mean())


def _noise(rng: np.random.Generator, count: int, size: list[int]) -> np.ndarray:
    return rng.integers(0, 256, (count, *size, 3), np.uint8)
