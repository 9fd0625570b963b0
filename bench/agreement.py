"""The same 64 rendered pairs under our metrics and those of other packages.

Run as `python -m bench.agreement`. Installs the packages, pinned, into a temporary environment
beside this one's (about 1 GB, from PyPI), and writes the tables of docs/metrics.md.
"""

import argparse
import io
import subprocess
import sysconfig
import tempfile
import venv
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, ImageFilter

from vdg import cli
from vdg.data.synthetic.render import render
from vdg.metrics import classifiers
from vdg.metrics.fid import fid, statistics
from vdg.metrics.inception_score import inception_score
from vdg.metrics.perceptual import Perceptual
from vdg.metrics.psnr import psnr
from vdg.metrics.ssim import ssim
from vdg.report.tables import Table, markdown

COUNT, HEIGHT, SEED = 64, 128, 0
PACKAGES = {  # of other fields' names: what pip installs
    "torchmetrics": "torchmetrics==1.9.0",
    "ignite": "pytorch-ignite==0.5.5",
    "kornia": "kornia==0.9.0",
    "piq": "piq==0.8.0",
    "pytorch-msssim": "pytorch-msssim==1.0.0",
    "pyiqa": "pyiqa==0.1.16",
    "sewar": "sewar==0.4.10",
    "torch-fidelity": "torch-fidelity==0.4.0",
    "clean-fid": "clean-fid==0.1.35",
    "lpips": "lpips==0.1.4",
}
PAGE = Path("docs/metrics.md")


class Pairs(NamedTuple):
    """uint8 (N, H, W, 3) each. noisy: a third of another view, blurred, with noise; clean: without
    noise."""

    targets: np.ndarray
    noisy: np.ndarray
    clean: np.ndarray


class Line(NamedTuple):
    """What a call gives. ours: our metric that it is compared with, by name."""

    package: str
    call: str
    ours: str
    value: float
    why: str = ""


def drawn() -> Pairs:
    rng = np.random.default_rng(SEED)
    targets = np.stack([render(i // 4, i % 4, HEIGHT, SEED).image for i in range(COUNT)])
    others = np.stack([render(i // 4, (i + 1) % 4, HEIGHT, SEED).image for i in range(COUNT)])
    mixed = np.round(targets * (2 / 3) + others / 3).astype(np.uint8)
    blur = ImageFilter.GaussianBlur(1)
    clean = np.stack([np.asarray(Image.fromarray(image).filter(blur)) for image in mixed])
    noisy = np.clip(clean + rng.normal(0, 6, clean.shape), 0, 255).astype(np.uint8)
    return Pairs(targets, noisy, clean)


def tensor(images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()


# --- what is compared ----------------------------------------------------------------------------


class Measured:
    """Inputs in the forms that the packages take, and our scores of them by name."""

    def __init__(self, pairs: Pairs):
        self.pairs = pairs
        self.x, self.y = tensor(pairs.noisy), tensor(pairs.targets)
        self.x1, self.y1 = self.x / 255, self.y / 255
        self.classify = classifiers.load("efficientnet-lite0")
        self.f_x, self.p_x = (part.numpy() for part in self.classify(self.x))
        self.f_y = self.classify(self.y)[0].numpy()
        self.lpips = perceptual()
        order = np.random.RandomState(2020).permutation(COUNT)
        self.ours = {
            "SSIM": mean(ssim(self.x, self.y)),
            "SSIM (PG²)": mean(ssim(self.x, self.y, window="uniform")),
            "SSIM (window of 51)": mean(ssim(self.x, self.y, window="wide")),
            "PSNR": mean(psnr(self.x, self.y)),
            "PSNR of equal images": mean(psnr(self.y, self.y)),
            "FID": fid(statistics(self.f_x), statistics(self.f_y)),
            "IS": inception_score(self.p_x)[0],
            "IS, --shuffle 2020": inception_score(self.p_x[order])[0],
            "LPIPS": mean(self.lpips(self.x, self.y)),
        }


def perceptual() -> Perceptual:
    """Ours, with random weights in AlexNet's place, which nothing has to be downloaded for."""
    import lpips

    torch.manual_seed(0)
    metric = Perceptual.__new__(Perceptual)
    metric.device = "cpu"
    metric.network = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    return metric


def mean(values: torch.Tensor) -> float:
    return float(values.double().mean())


def each(call: Callable, xs, ys) -> float:
    return float(np.mean([float(call(x, y)) for x, y in zip(xs, ys, strict=True)]))


BORDER = "the mean includes the border, where the window reaches beyond the image"


def scikit_image(m: Measured) -> Iterator[Line]:
    from skimage.metrics import peak_signal_noise_ratio
    from skimage.metrics import structural_similarity as their_ssim

    name = "scikit-image"

    def line(ours: str, call: str, why: str = "", **settings) -> Line:
        settings |= {"channel_axis": 2, "data_range": 255}
        value = each(lambda x, y: their_ssim(x, y, **settings), m.pairs.noisy, m.pairs.targets)
        return Line(name, call, ours, value, why)

    gauss = {"gaussian_weights": True, "sigma": 1.5}
    alone = "sample covariance is its default"
    yield line(
        "SSIM",
        "gaussian_weights=True, sigma=1.5, use_sample_covariance=False",
        use_sample_covariance=False,
        **gauss,
    )
    yield line("SSIM", "gaussian_weights=True", alone, **gauss)
    yield line("SSIM (PG²)", "win_size=7")
    yield line("SSIM (window of 51)", "win_size=51", win_size=51)
    value = each(
        lambda x, y: peak_signal_noise_ratio(y, x, data_range=255), m.pairs.noisy, m.pairs.targets
    )
    yield Line(name, "peak_signal_noise_ratio", "PSNR", value)
    same = each(
        lambda x, y: peak_signal_noise_ratio(y, x, data_range=255), m.pairs.targets, m.pairs.targets
    )
    yield Line(name, "peak_signal_noise_ratio", "PSNR of equal images", same, "1 / 0")


def torchmetrics(m: Measured) -> Iterator[Line]:
    from torchmetrics.functional.image import peak_signal_noise_ratio
    from torchmetrics.functional.image import structural_similarity_index_measure as their_ssim
    from torchmetrics.functional.image.lpips import _LPIPS
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore

    name = "torchmetrics"
    x, y = m.x.double(), m.y.double()
    value = float(their_ssim(x, y, data_range=255.0))
    yield Line(name, "structural_similarity_index_measure, data_range=255", "SSIM", value, BORDER)
    _, full = their_ssim(x, y, data_range=255.0, return_full_image=True)
    call = "the same, return_full_image=True, [..., 5:-5, 5:-5].mean()"
    yield Line(name, call, "SSIM", float(full[..., 5:-5, 5:-5].mean()))
    # without a range, that of the whole batch: a pair scores otherwise alone than beside others
    flat = int((m.x.amax((1, 2, 3)).int() - m.x.amin((1, 2, 3)).int()).argmin())
    m.ours["SSIM of one pair"] = mean(ssim(m.x[flat, None], m.y[flat, None]))
    why = "without data_range, the range is that of the batch"
    value = float(their_ssim(x[flat, None], y[flat, None]))
    yield Line(name, "the same, without data_range, the pair alone", "SSIM of one pair", value, why)
    value = float(their_ssim(x, y, reduction="none")[flat])
    yield Line(name, "the same, among all", "SSIM of one pair", value, "as above; the border")
    value = float(peak_signal_noise_ratio(x, y, data_range=255.0))
    why = "one mean squared error of all images"
    yield Line(name, "peak_signal_noise_ratio, data_range=255", "PSNR", value, why)
    value = float(peak_signal_noise_ratio(x, y, data_range=255.0, dim=(1, 2, 3)))
    yield Line(name, "the same, dim=(1, 2, 3)", "PSNR", value)
    value = float(peak_signal_noise_ratio(y, y, data_range=255.0, dim=(1, 2, 3)))
    yield Line(name, "the same", "PSNR of equal images", value, "1 / 0")
    distance = FrechetInceptionDistance(feature=Features(m), normalize=False).set_dtype(
        torch.double
    )
    distance.update(m.y, real=True)
    distance.update(m.x, real=False)
    yield Line(name, "FrechetInceptionDistance", "FID", float(distance.compute()))
    torch.manual_seed(0)
    score = InceptionScore(feature=Logits(m))
    score.update(m.x)
    why = f"shuffled; {COUNT} images in chunks of {[len(c) for c in m.x.chunk(10)]}"
    yield Line(name, "InceptionScore", "IS", float(score.compute()[0]), why)
    theirs = _LPIPS(net="alex", pnet_rand=True).eval()
    theirs.net.load_state_dict(m.lpips.network.net.state_dict())
    with torch.no_grad():
        value = mean(theirs(m.x1 * 2 - 1, m.y1 * 2 - 1))
    yield Line(name, "LearnedPerceptualImagePatchSimilarity", "LPIPS", value)


class Features(torch.nn.Module):
    """The stand-in's features of bytes (N, 3, H, W)."""

    num_features = 1280

    def __init__(self, m: Measured):
        super().__init__()
        self.classify = m.classify

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(images)[0].double()


class Logits(Features):
    """Their class probabilities, before the softmax."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(images)[1].double().log()


class Probabilities(Features):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.classify(images)[1].double()


def ignite(m: Measured) -> Iterator[Line]:
    from ignite.metrics import PSNR, SSIM
    from ignite.metrics.gan import FID, InceptionScore

    name = "pytorch-ignite"

    def computed(metric, *batches) -> float:
        for batch in batches:
            metric.update(batch)
        return float(metric.compute())

    x, y = m.x.double(), m.y.double()
    yield Line(name, "SSIM(data_range=255)", "SSIM", computed(SSIM(data_range=255), (x, y)), BORDER)
    yield Line(name, "PSNR(data_range=255)", "PSNR", computed(PSNR(data_range=255), (x, y)))
    value = computed(PSNR(data_range=255), (y, y))
    yield Line(name, "the same", "PSNR of equal images", value, "a smallest error in place of 0")
    value = computed(FID(num_features=1280, feature_extractor=Features(m)), (m.x, m.y))
    yield Line(name, "FID", "FID", value)
    value = computed(InceptionScore(num_features=1000, feature_extractor=Probabilities(m)), m.x)
    yield Line(name, "InceptionScore", "IS", value, "no splits")


def kornia(m: Measured) -> Iterator[Line]:
    from kornia.losses import ssim_loss
    from kornia.metrics import psnr as their_psnr
    from kornia.metrics import ssim as their_ssim

    x, y = m.x1.double(), m.y1.double()
    yield Line("kornia", "metrics.ssim(x, y, 11)", "SSIM", mean(their_ssim(x, y, 11)), BORDER)
    value = mean(their_ssim(x, y, 11, padding="valid"))
    yield Line("kornia", 'metrics.ssim(x, y, 11, padding="valid")', "SSIM", value)
    value = float(ssim_loss(x, y, 11, padding="valid"))
    yield Line(
        "kornia", 'losses.ssim_loss(x, y, 11, padding="valid")', "SSIM", value, "(1 - SSIM) / 2"
    )
    why = "one mean squared error of all images"
    yield Line("kornia", "metrics.psnr(x, y, 1)", "PSNR", float(their_psnr(x, y, 1.0)), why)
    value = each(lambda a, b: their_psnr(a, b, 1.0), x, y)
    yield Line("kornia", "the same, image by image", "PSNR", value)


def piq(m: Measured) -> Iterator[Line]:
    import piq

    value = float(piq.ssim(m.x1, m.y1, data_range=1.0))
    yield Line("piq", "ssim(x, y, data_range=1.0)", "SSIM", value, "single precision")
    large = [torch.nn.functional.interpolate(side, scale_factor=6) for side in (m.x[:8], m.y[:8])]
    m.ours["SSIM at 768 x 384"] = mean(ssim(*large))
    values = [
        float(piq.ssim(large[0] / 255, large[1] / 255, data_range=1.0, downsample=down))
        for down in (True, False)
    ]
    why = "halves images whose smaller side is 384 or more"
    yield Line("piq", "the same, of large images", "SSIM at 768 x 384", values[0], why)
    yield Line("piq", "the same, downsample=False", "SSIM at 768 x 384", values[1])
    yield Line("piq", "psnr", "PSNR", float(piq.psnr(m.x1, m.y1, data_range=1.0)))
    value = float(piq.psnr(m.y1, m.y1, data_range=1.0))
    yield Line("piq", "psnr", "PSNR of equal images", value, "1e-8 is added to the error")


def pytorch_msssim(m: Measured) -> Iterator[Line]:
    from pytorch_msssim import ssim as their_ssim

    name = "pytorch-msssim"
    yield Line(name, "ssim(x, y)", "SSIM", float(their_ssim(m.x.double(), m.y.double())))
    value = float(their_ssim(m.x1.double(), m.y1.double()))
    yield Line(name, "ssim(x / 255, y / 255)", "SSIM", value, "data_range is 255 by default")


def pyiqa(m: Measured) -> Iterator[Line]:
    import pyiqa

    for metric, ours, why in (
        ("ssim", "SSIM", "of the luminance"),
        ("ssimc", "SSIM", "negative contrast terms count as 0"),
        ("psnr", "PSNR", ""),
    ):
        value = mean(pyiqa.create_metric(metric, device="cpu")(m.x1, m.y1))
        yield Line("pyiqa", f'create_metric("{metric}")', ours, value, why)


def sewar(m: Measured) -> Iterator[Line]:
    from sewar.full_ref import psnr as their_psnr
    from sewar.full_ref import ssim as their_ssim
    from sewar.utils import Filter

    xs, ys = m.pairs.noisy, m.pairs.targets
    value = each(lambda x, y: their_ssim(y, x)[0], xs, ys)
    yield Line("sewar", "ssim(y, x)", "SSIM", value, "uniform window of 11")
    gauss = {"fltr": Filter.GAUSSIAN, "sigma": 1.5, "ws": 11}
    value = each(lambda x, y: their_ssim(y, x, fltr_specs=gauss)[0], xs, ys)
    yield Line("sewar", "fltr_specs: Filter.GAUSSIAN, sigma 1.5, ws 11", "SSIM", value)
    yield Line("sewar", "psnr(y, x)", "PSNR", each(lambda x, y: their_psnr(y, x), xs, ys))


def pytorch_fid(m: Measured) -> Iterator[Line]:
    from pytorch_fid.fid_score import calculate_frechet_distance

    value = calculate_frechet_distance(*moments(m.f_x), *moments(m.f_y))
    why = "a matrix root, which fewer images than features make inexact"
    yield Line("pytorch-fid", "calculate_frechet_distance", "FID", float(value), why)


def moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype(np.float64)
    return features.mean(0), np.cov(features, rowvar=False)


def torch_fidelity(m: Measured) -> Iterator[Line]:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
    from torch_fidelity.metric_isc import isc_features_to_metric

    name = "torch-fidelity"
    stats = [fid_features_to_statistics(torch.from_numpy(f)) for f in (m.f_x, m.f_y)]
    value = fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]
    yield Line(name, "fid=True", "FID", float(value))
    logits = torch.from_numpy(m.p_x).double().log()
    value = isc_features_to_metric(logits)["inception_score_mean"]
    yield Line(name, "isc=True", "IS", value, "shuffled with seed 2020")
    yield Line(name, "isc=True", "IS, --shuffle 2020", value)
    value = isc_features_to_metric(logits, shuffle=False)["inception_score_mean"]
    yield Line(name, "isc=True, samples_shuffle=False", "IS", value)


def clean_fid(m: Measured) -> Iterator[Line]:
    from cleanfid.fid import frechet_distance
    from cleanfid.resize import make_resizer

    side = m.classify.side
    for call, library, filter_ in (
        ('mode="clean"', "PIL", "bicubic"),
        ('mode="legacy_pytorch"', "PyTorch", "bilinear"),
    ):
        resize = make_resizer(library, False, filter_, (side, side))
        features = [
            resized_features(m, images, resize) for images in (m.pairs.noisy, m.pairs.targets)
        ]
        value = float(frechet_distance(*moments(features[0]), *moments(features[1])))
        why = "resized by Pillow's bicubic filter" if library == "PIL" else ""
        yield Line("clean-fid", call, "FID", value, why)


def resized_features(m: Measured, images: np.ndarray, resize: Callable) -> np.ndarray:
    small = np.stack([resize(image) for image in images]).astype(np.float32)
    return m.classify(tensor(small))[0].numpy()


def lpips_package(m: Measured) -> Iterator[Line]:
    with torch.no_grad():
        value = mean(m.lpips.network(m.x1 * 2 - 1, m.y1 * 2 - 1))
    yield Line("lpips", 'LPIPS(net="alex")', "LPIPS", value)


OTHERS = (
    scikit_image,
    torchmetrics,
    ignite,
    kornia,
    piq,
    pytorch_msssim,
    pyiqa,
    sewar,
    pytorch_fid,
    torch_fidelity,
    clean_fid,
    lpips_package,
)


# --- effects that no package has -----------------------------------------------------------------


def as_jpeg(images: np.ndarray) -> np.ndarray:
    """Saved as JPEG of quality 75, Pillow's default, and read again."""
    found = []
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG")
        found.append(np.asarray(Image.open(file)))
    return np.stack(found)


def effects(m: Measured) -> Table:
    targets = m.pairs.targets
    lines = []
    for name, images in (("with noise", m.pairs.noisy), ("without noise", m.pairs.clean)):
        for saved, x, y in (
            ("PNG", images, targets),
            ("JPEG, targets PNG", as_jpeg(images), targets),
            ("JPEG, targets too", as_jpeg(images), as_jpeg(targets)),
        ):
            features = [statistics(m.classify(tensor(side))[0]) for side in (x, y)]
            value = mean(ssim(tensor(x), tensor(y)))
            lines.append([name, saved, f"{value:.3f}", f"{fid(*features):.1f}"])
        swapped = np.ascontiguousarray(images[..., ::-1])
        features = [statistics(m.classify(tensor(side))[0]) for side in (swapped, targets)]
        value = mean(ssim(tensor(swapped), tensor(targets)))
        lines.append([name, "red and blue exchanged", f"{value:.3f}", f"{fid(*features):.1f}"])
    return Table(["generated images", "files", "SSIM", "FID (stand-in)"], lines)


def orders(m: Measured) -> Table:
    rng = np.random.default_rng(SEED)
    shuffled = [inception_score(m.p_x[rng.permutation(COUNT)])[0] for _ in range(100)]
    rows = {
        f"{COUNT}, in the order of names": f"{inception_score(m.p_x)[0]:.3f}",
        f"{COUNT}, shuffled a hundred times": f"{min(shuffled):.3f} to {max(shuffled):.3f}",
        "20": f"{inception_score(m.p_x[:20])[0]:.3f}",
        "10": f"{inception_score(m.p_x[:10])[0]:.3f}",
    }
    return Table(["images", "IS (stand-in), ten splits"], [list(row) for row in rows.items()])


# --- the page ------------------------------------------------------------------------------------


def agreement(m: Measured) -> Table:
    rows = []
    for other in OTHERS:
        for line in other(m):
            ours = m.ours[line.ours]
            digits = 5 if ours < 10 else 4
            gap = line.value - ours
            equal = abs(gap) < 1e-5 * max(1, abs(ours))
            rows.append(
                [
                    line.package,
                    line.ours,
                    line.call,
                    f"{line.value:.{digits}f}",
                    f"{ours:.{digits}f}",
                    "equal" if equal else f"{gap:+.{digits}f}",
                    line.why,
                ]
            )
    header = ["package", "metric", "call", "value", "ours", "difference", "why"]
    return Table(header, rows)


def measure() -> str:
    """The tables, as Markdown, by their marks in the page."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    m = Measured(drawn())
    parts = {"agreement": agreement(m), "files": effects(m), "order": orders(m)}
    return "".join(f"<!-- {mark} -->\n{markdown(table)}" for mark, table in parts.items())


def measured_elsewhere() -> str:
    """`measure` in an environment that has the other packages, too."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        python = Path(folder, "bin", "python")
        paths = sysconfig.get_paths(vars={"base": folder, "platbase": folder})
        Path(paths["purelib"], "this.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES.values()], check=True)
        return measured_by(python)


def measured_by(python: Path) -> str:
    command = [python, "-m", "bench.agreement", "--measure"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout[done.stdout.index("<!-- agreement -->") :]


def write(text: str) -> None:
    """Put the tables into the page, each after its mark and before the next empty line."""
    page = PAGE.read_text()
    for part in text.split("<!-- ")[1:]:
        mark, table = part.split(" -->\n")
        before, _, after = page.partition(f"<!-- {mark} -->\n")
        page = f"{before}<!-- {mark} -->\n{table}{after[after.index(chr(10) * 2) + 1 :]}"
    PAGE.write_text(page)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--measure", action="store_true", help="print the tables, here")
    parser.add_argument("--python", type=Path, help="of an environment that has the packages")
    args = parser.parse_args()
    if args.measure:
        print(measure(), end="")
        return
    write(measured_by(args.python) if args.python else measured_elsewhere())
    print(PAGE)


if __name__ == "__main__":
    cli.run(main)
