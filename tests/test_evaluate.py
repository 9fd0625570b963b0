"""The evaluation of reference rows and of a model, from packed data to scores."""

import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import typed
from PIL import Image
from pytorch_fid import fid_score
from scipy.linalg import sqrtm

import stages.evaluate
from vdg import cli, systems
from vdg.commands import score
from vdg.data import synthetic
from vdg.data.download import fetch
from vdg.data.images import ImageSet
from vdg.data.preparation import build
from vdg.evaluation import rows as evaluate
from vdg.files import read_json, write_json
from vdg.metrics import classifiers

SIZE = {"height": 32, "width": 16}
CONFIG = typed.evaluation_config()
FID, TRAIN_FID = "fid_efficientnet_lite0", "train_fid_efficientnet_lite0"


def make(folder, **poses):
    source = {"reader": "synthetic", "train_identities": 4, "test_identities": 2, "views": 4}
    fetch(synthetic, SIZE | {"source": source | {"seed": 0}}, folder / "download")
    settings = {"split": "official", "hold_out_identities": 1, "validation_identities": 1} | poses
    for name, split in build(folder / "download", **settings, device="cpu").items():
        split.save(folder / "poses" / f"{name}.safetensors")
    return folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make(tmp_path_factory.mktemp("evaluated") / "data")


@pytest.fixture(scope="module")
def references(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("references")
    evaluate.references(CONFIG, data, folder)
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    systems.save(path, typed.build(typed.vdg()), typed.meta(typed.vdg()))
    return path


def features(images):
    classifier = classifiers.load("efficientnet-lite0")
    return classifier(torch.as_tensor(images).permute(0, 3, 1, 2))[0].double().numpy()


def moments(images):
    x = features(images)
    return x.mean(0), np.cov(x, rowvar=False)


@pytest.mark.filterwarnings("ignore")
def test_fid_to_the_training_images_is_pytorch_fids(data, references, monkeypatch):
    # pytorch-fid 0.3.0 passes disp, which scipy 1.18 has no more; without it the root alone returns
    def root(product, disp=True):
        return sqrtm(product) if disp else (sqrtm(product), None)

    monkeypatch.setattr(fid_score, "linalg", types.SimpleNamespace(sqrtm=root))
    train = ImageSet.load(data / "download" / "train.safetensors").images
    assert len(train) == 16  # the validation identity too
    scores = {n: read_json(references / f"{n}.json")["metrics"] for n in ("real", "mean-image")}
    test = ImageSet.load(data / "download" / "test.safetensors")
    table = pd.read_csv(references / "real.csv")
    targets = test.images[[test.names.index(name) for name in table["to"]]]
    expected = fid_score.calculate_frechet_distance(*moments(targets), *moments(train))
    assert scores["real"][TRAIN_FID] == pytest.approx(expected, rel=1e-3)
    assert scores["real"][FID] == pytest.approx(0, abs=1e-6)
    _, covariance = moments(train)  # which equal images do not have at all
    assert scores["mean-image"][TRAIN_FID] >= np.trace(covariance) * 0.999


def test_a_models_row_is_scored_against_the_same_references(data, references, model, tmp_path):
    evaluate.evaluate(CONFIG, data, model, references, tmp_path)
    metrics = read_json(tmp_path / "scores.json")["metrics"]
    real = read_json(references / "real.json")["metrics"]
    assert metrics.keys() == real.keys()
    assert metrics[FID] > 0 < metrics[TRAIN_FID] != metrics[FID]
    assert 0 < metrics["psnr"] < real["psnr"]


def test_evaluated_identities_of_a_hold_out_are_not_among_the_training_images(tmp_path):
    data = make(tmp_path / "data", split="hold-out")
    train, test = evaluate.load_pairs(data, ["train", "test"], "cpu")
    assert train.images is test.images
    kept = evaluate._not_evaluated(train, test)
    identities = {i for i, keep in zip(train.identities, kept, strict=True) if keep}
    evaluated = {test.identities[i] for i in test.pairs.unique().tolist()}
    assert len(evaluated) == 1
    assert identities == set(train.identities) - evaluated


@pytest.fixture
def command(data, references, model, tmp_path, monkeypatch, any_code):
    """Run a stage in a folder where the model is variant "full" of the data set "drawn"."""
    monkeypatch.chdir(tmp_path)
    write_json("configs/drawn/evaluation-full.json", CONFIG.model_dump())
    for path, target in {
        "data/drawn": data,
        "scores/drawn/references": references,
        "models/drawn/full-0": model.parent,
    }.items():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).symlink_to(target)

    def run(stage, *arguments):
        monkeypatch.setattr(sys, "argv", [stage.__name__, *map(str, arguments)])
        cli.run(stage.main)

    return run


def test_generated_images_on_disk_have_the_scores_of_the_report(command):
    """stages.evaluate --pictures, then vdg score on each form of them."""
    variant = ("--dataset", "drawn", "--variant", "full")
    command(stages.evaluate, *variant)
    command(stages.evaluate, *variant, "--pictures", "made")
    expected = read_json("scores/drawn/full-0/scores.json")["metrics"]
    annotations = Path("data/drawn/download/annotation-test.csv")
    common = ("--keypoints", annotations, "--pairs", "made/pairs.csv")
    for images in (
        ("--generated", "made/generated", "--target", "made/target"),
        ("--strips", "made/strips"),
    ):
        command(score, *images, *common, "--output", "scored")
        metrics = read_json("scored/scores.json")["metrics"]
        assert set(expected) - set(metrics) == {TRAIN_FID}
        for name, value in metrics.items():
            assert value == pytest.approx(expected[name], rel=1e-5), name


def test_files_have_the_fields_names(command):
    command(stages.evaluate, "--dataset", "drawn", "--variant", "full", "--pictures", "made")
    table = pd.read_csv("made/pairs.csv")
    assert len(table) == CONFIG.pairs
    for source, target in table.itertuples(index=False):
        assert source.endswith(".png")
        strip = np.asarray(Image.open(f"made/strips/{source}___{target}_vis.png"))
        parts = np.split(strip, 5, axis=1)  # as PATN's script does
        name = f"{source.removesuffix('.png')}__{target.removesuffix('.png')}.png"
        np.testing.assert_array_equal(parts[2], np.asarray(Image.open(f"made/target/{name}")))
        np.testing.assert_array_equal(parts[4], np.asarray(Image.open(f"made/generated/{name}")))


def test_a_folder_that_holds_something_is_left_alone(command):
    Path("made").mkdir()
    Path("made/thesis.txt").write_text("mine")
    with pytest.raises(SystemExit, match="choose a new folder"):
        command(stages.evaluate, "--dataset", "drawn", "--variant", "full", "--pictures", "made")
    assert [path.name for path in Path("made").iterdir()] == ["thesis.txt"]


def test_the_setting_writes_them_beside_the_scores(command):
    config = typed.evaluation_config(pictures=True)
    write_json("configs/drawn/evaluation-full.json", config.model_dump())
    command(stages.evaluate, "--dataset", "drawn", "--variant", "full")
    assert len(list(Path("pictures/drawn/full-0/generated").iterdir())) == CONFIG.pairs
    assert Path("scores/drawn/full-0/scores.json").is_file()
