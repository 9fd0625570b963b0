"""Validation of params.yaml, and which runs a change of it reaches."""

import copy
import functools
import re
import shutil
from pathlib import Path

import pytest
import yaml

from vdg import config
from vdg import resolve as code
from vdg.errors import InputError

PARAMS = Path(__file__).parents[1] / "params.yaml"
STAGE1, STAGE2 = "dataset.synthetic.stage1", "dataset.synthetic.stage2"
SOURCE = "dataset.market1501.source"
MISSING = object()


@pytest.fixture
def raw():
    """The repository's own file, with every data set, network and variant switched on."""
    raw = yaml.safe_load(PARAMS.read_text())
    raw |= {"datasets": list(raw["dataset"]), "networks": list(raw["network"])}
    return raw | {"variants": list(raw["variant"])}


@pytest.fixture
def load(tmp_path, raw):
    """Load the file after changing one key to a value, or removing it."""

    def load(key=None, value=MISSING):
        changed = copy.deepcopy(raw)
        if key:
            *parents, last = key.split(".")
            section = functools.reduce(lambda section, part: section[part], parents, changed)
            section.pop(last, None)
            if value is not MISSING:
                section[last] = value
        path = tmp_path / "params.yaml"
        path.write_text(yaml.safe_dump(changed, sort_keys=False))
        return config.load(path)

    return load


def message(call, *args):
    """The one line that a bad input gives."""
    with pytest.raises(InputError) as caught:
        call(*args)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_the_repository_file_is_valid():
    params = config.load(PARAMS)
    assert 0 <= params.alpha <= 1
    assert set(params.datasets) <= params.dataset.keys()


def test_everything_switched_on_is_valid(load, raw):
    assert load().variants == list(raw["variant"])


@pytest.mark.parametrize(
    ("key", "value", "shown", "allowed"),
    [
        ("alpha", 1.5, "1.5", "less than or equal to 1"),
        ("alpha", -0.1, "-0.1", "greater than or equal to 0"),
        ("alpha", float("nan"), "nan", "finite number"),
        ("alpha", float("inf"), "inf", "finite number"),
        ("alpha", "much", "'much'", "valid number"),
        ("alpha", True, "True", "valid number"),
        ("alpha", None, "None", "valid number"),
        ("alpha", [0.5], "[0.5]", "valid number"),
        ("alpha", "1..2e-4", "'1..2e-4'", "could not convert"),
        (f"{STAGE1}.steps", 0, "0", "greater than or equal to 1"),
        (f"{STAGE1}.steps", 1.5, "1.5", "valid integer"),
        (f"{STAGE1}.steps", True, "True", "valid integer"),
        (f"{STAGE1}.steps", "100", "'100'", "valid integer"),
        (f"{STAGE1}.flip", 1, "1", "valid boolean"),
        (f"{STAGE1}.learning_rate", 0, "0", "greater than 0"),
        (f"{STAGE2}.decay", 1.5, "1.5", "less than or equal to 1"),
        (f"{STAGE2}.lambda", -1, "-1", "greater than or equal to 0"),
        ("dataset.synthetic.evaluation.pairs", 9, "9", "greater than or equal to 10"),
        ("dataset.synthetic.evaluation.classifier", "vgg", "'vgg'", "'efficientnet-lite0'"),
        ("dataset.synthetic.poses.split", "random", "'random'", "'official' or 'hold-out'"),
        ("dataset.synthetic.source.views", 1, "1", "greater than or equal to 2"),
        (f"{SOURCE}.sha256", "abc", "'abc'", "[0-9a-f]{64}"),
        (f"{SOURCE}.sha256", "A" * 64, "'AAAA", "[0-9a-f]{64}"),
        (f"{SOURCE}.reader", "nowhere", "'nowhere'", "no such file in src/vdg/data/"),
        (
            "dataset.synthetic.source.reader",
            "syntetic",
            "'syntetic'",
            "allowed: deepfashion, market1501",
        ),
        ("network.vdg.system", "nowhere", "'nowhere'", "no such file in src/vdg/systems/"),
        ("variant.full.mask_weight", -1, "-1", "greater than or equal to 0"),
        ("variant.full.alpha", 1.5, "1.5", "less than or equal to 1"),
        ("deterministic", "maybe", "'maybe'", "valid boolean"),
        (f"{STAGE2}.averaging", 1.0, "1.0", "less than 1"),
        ("variant.full.terms", "ssim", "'ssim'", "'mask-l1+mask-ssim'"),
        ("device", "gpu", "'gpu'", "auto|cpu"),
        ("precision", "fp16", "'fp16'", "'fp32' or 'bf16'"),
        ("seeds", [], "[]", "at least 1"),
        ("datasets", [], "[]", "at least 1"),
        ("datasets", "synthetic", "'synthetic'", "valid list"),
        # names that are nowhere explained
        ("datasets", ["imagenet"], "['imagenet']", "allowed: synthetic, market1501"),
        ("networks", ["vgd"], "['vgd']", "allowed: vdg"),
        ("variants", ["full", "fuller"], "['full', 'fuller']", "unknown variant 'fuller'"),
        # names twice: one run would overwrite the other
        ("datasets", ["synthetic", "synthetic"], "['synthetic', 'synthetic']", "once"),
        ("networks", ["vdg", "vdg"], "['vdg', 'vdg']", "once"),
        ("variants", ["l1", "l1"], "['l1', 'l1']", "once"),
        ("seeds", [3, 3], "[3, 3]", "once"),
        ("workers", 3, "3", "must divide dataset.synthetic.stage1.batch_size = 32"),
        # names that would not do as a folder
        ("datasets", ["../x"], "'../x'", "a-z0-9"),
    ],
)
def test_bad_value(load, key, value, shown, allowed):
    text = message(load, key, value)
    assert text.startswith(f"params.yaml: {key}")
    assert f" = {shown}" in text
    assert allowed in text


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("alhpa", "did you mean alpha?"),
        (f"{STAGE1}.step", "did you mean steps?"),
        (f"{STAGE2}.lambda_", "did you mean lambda?"),
        ("dataset.synthetic.source.veiws", "did you mean views?"),
        (f"{SOURCE}.annotations.tarin", "did you mean train?"),
        ("variant.full.weight", "did you mean mask_weight?"),
        ("network.vdg.zzz", "allowed: system, shared_encoders"),
    ],
)
def test_unknown_key(load, key, hint):
    assert message(load, key, 7) == f"params.yaml: {key} = 7: unknown key; {hint}"


@pytest.mark.parametrize(
    "key", ["alpha", "dataset", f"{STAGE1}.steps", f"{SOURCE}.archive", "variant.full.network"]
)
def test_missing_key(load, key):
    assert message(load, key) == f"params.yaml: {key} is missing"


def test_depth_that_does_not_divide(load):
    text = message(load, f"{STAGE1}.depth", 8)
    assert text.startswith("params.yaml: dataset.synthetic")
    assert "depth 8" in text
    assert "divisible by" in text


def test_renderer_draws_one_shape(load):
    text = message(load, "dataset.synthetic.width", 4096)
    assert text.startswith("params.yaml: dataset.synthetic")
    assert "twice as high as wide" in text


@pytest.mark.parametrize("name", ["stage1", "stage1-vdg", "real", "mean-image"])
def test_a_variant_has_no_name_of_another_row(load, name):
    section = {"network": "vdg", "terms": "l1", "about": "of ours"}
    text = message(load, f"variant.{name}", section)
    assert text.startswith(f"params.yaml: variant.{name}: the table has a row of that name")


@pytest.mark.parametrize("variant", ["l1", "mask-l1"])
def test_alpha_needs_two_terms_to_weigh(load, variant):
    text = message(load, f"variant.{variant}.alpha", 0.5)
    assert text.startswith(f"params.yaml: variant.{variant}: alpha weighs two terms")


def test_only_the_renderer_knows_silhouettes(load):
    text = message(load, "dataset.market1501.evaluation.pose", "silhouettes")
    assert "dataset.market1501" in text
    assert "only the renderer" in text


@pytest.mark.parametrize("key", ["variant.l1.mask_weight", "variant.full.mask_weight"])
def test_mask_weight_needs_a_mask_and_a_mask_its_weight(load, key):
    text = message(load, key, 1.0 if "l1" in key else None)
    assert key.removesuffix(".mask_weight") in text
    assert "mask_weight" in text


def test_variant_whose_network_is_not_trained(load):
    text = message(load, "networks", ["vdg"])
    assert text.startswith("params.yaml: variant.shared.network = 'vdg-shared'")
    assert "networks (['vdg'])" in text


def test_key_given_twice(tmp_path):
    path = tmp_path / "params.yaml"
    text = PARAMS.read_text()
    path.write_text(text + "\nalpha: 0.5\n")
    assert "key 'alpha' is given twice" in message(config.load, path)
    path.write_text(re.sub(r"(    height: \d+\n)", r"\1\1", text, count=1))
    assert "key 'height' is given twice" in message(config.load, path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "holds no keys"),
        (b"# nothing but this\n", "holds no keys"),
        (b"- a list\n", "holds no keys"),
        (b"alpha: [0.5\n", "is not valid YAML"),
        (b"\talpha: 0.5\n", "is not valid YAML"),
        (b"alpha: *nowhere\n", "is not valid YAML"),
        (b"? [a, b]\n: c\n", "is not valid YAML"),
        pytest.param(
            b"about: caf\xe9\n",
            "UTF-8",
        ),
    ],
)
def test_file_that_is_no_mapping(tmp_path, content, reason):
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    text = message(config.load, path)
    assert str(path) in text
    assert reason in text


def test_no_file(tmp_path):
    assert "cannot read" in message(config.load, tmp_path / "params.yaml")


def test_seed_that_no_generator_takes(load):
    message(load, "seeds", [10**20])


@pytest.mark.parametrize(
    ("key", "value"), [(f"{SOURCE}.reader", "archive"), ("network.vdg.system", "blocks")]
)
def test_module_that_is_no_plugin(load, key, value):
    message(load, key, value)


def test_numbers_as_people_write_them(tmp_path):
    path = tmp_path / "params.yaml"
    text = PARAMS.read_text()
    # YAML 1.1 reads 2e-4 as text, and 1 as an integer
    text = re.sub(r"^alpha: \S+", "alpha: 1", text, flags=re.M)
    path.write_text(re.sub(r" learning_rate: \S+", " learning_rate: 2e-4", text))
    params = config.load(path)
    assert params.alpha == 1.0
    assert isinstance(params.alpha, float)
    assert params.dataset["market1501"].stage1.learning_rate == 2e-4


def test_resolved_files_of_the_default(load):
    files = config.resolve(load("datasets", ["synthetic"]))
    assert files["synthetic/stage2-full.json"]["loss"]["terms"] == "mask-l1+mask-ssim"
    assert "alpha" not in files["synthetic/stage2-mask-l1.json"]["loss"]
    assert files["synthetic/stage2-l1.json"]["loss"] == {"terms": "l1"}
    assert "lambda" in files["synthetic/stage2-full.json"]["stage2"]
    assert files["synthetic/network-shared.json"]["network"] == "vdg-shared"
    assert all(name.startswith("synthetic/") for name in files if "/" in name)


SWEPT = ("alpha-25", "alpha-50", "alpha-75", "alpha-100")  # with an alpha of their own
MASK_SSIM = ("full", "weighted", "shared", "weight-0", "weight-2", "weight-8")
VARIANTS = ("l1", "mask-l1", *MASK_SSIM, *SWEPT)
DATASETS = ("synthetic", "market1501", "market1501-holdout", "deepfashion")


def runs(*names, datasets=DATASETS):
    return {f"{dataset}/{name}.json" for dataset in datasets for name in names}


def stage1(*networks, **where):
    return runs(*(f"stage1-{name}" for name in networks or ("vdg", "vdg-shared")), **where)


def stage2(*variants, **where):
    return runs(*(f"stage2-{name}" for name in variants or VARIANTS), **where)


def evaluation(**where):
    return runs("evaluation", "references", **where)


ONE = {"datasets": ["synthetic"]}
REPORT = {"report.json"}


@pytest.mark.parametrize(
    ("key", "value", "reached"),
    [
        ("alpha", 0.123, stage2(*MASK_SSIM)),
        ("variant.weighted.mask_weight", 7.5, stage2("weighted") | REPORT),
        ("variant.weighted.alpha", 0.123, stage2("weighted")),
        ("variant.mask-l1.mask_weight", 7.5, stage2("mask-l1")),
        ("variant.full.terms", "mask-l1", stage2("full")),
        ("variant.full.about", "other words", REPORT),
        ("variant.full.network", "vdg-shared", runs("network-full")),
        ("network.vdg.shared_encoders", True, stage1("vdg")),
        (f"{STAGE1}.steps", 77, stage1(**ONE)),
        (f"{STAGE1}.learning_rate", 0.123, stage1(**ONE)),
        (f"{STAGE1}.decay", 0.123, stage1(**ONE)),
        (f"{STAGE2}.steps", 77, stage2(**ONE)),
        (f"{STAGE2}.lambda", 77, stage2(**ONE)),
        (f"{STAGE2}.discriminator_width", 77, stage2(**ONE)),
        ("dataset.synthetic.evaluation.pairs", 77, evaluation(**ONE)),
        ("dataset.synthetic.poses.hold_out_identities", 77, runs("pose-heatmaps", **ONE)),
        ("dataset.synthetic.poses.split", "hold-out", runs("pose-heatmaps", **ONE) | REPORT),
        ("dataset.synthetic.source.seed", 77, runs("download", **ONE)),
        (f"{SOURCE}.archive", "x.zip", runs("download", datasets=["market1501"])),
        ("seeds", [0, 77], REPORT),
        ("precision", "bf16", stage1() | stage2() | runs("evaluation")),
        ("deterministic", False, stage1() | stage2() | evaluation()),
        ("compile", True, stage1() | stage2()),
        ("workers", 2, stage1() | stage2()),
        (f"{STAGE2}.averaging", 0.5, stage2(**ONE)),
        ("device", "cpu", stage1() | stage2() | evaluation()),
    ],
)
def test_a_change_reaches_what_depends_on_it(load, raw, key, value, reached):
    raw |= {"device": "auto", "seeds": [0], "precision": "fp32"}
    before, after = config.resolve(load()), config.resolve(load(key, value))
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == reached


@pytest.mark.parametrize(
    ("dataset", "part", "reached"),
    [
        ("market1501", "test", True),
        ("market1501-holdout", "train", True),
        ("market1501-holdout", "test", False),  # a part that a hold-out does not look at
    ],
)
def test_poses_depend_on_the_device_where_they_are_estimated(load, raw, dataset, part, reached):
    raw["dataset"][dataset]["source"]["annotations"][part] = None
    before, after = (config.resolve(load("device", device)) for device in ("cpu", "auto"))
    name = f"{dataset}/pose-heatmaps.json"
    assert (before[name] != after[name]) is reached


@pytest.mark.parametrize("key", ["datasets", "networks", "variants"])
def test_listing_less_leaves_the_rest_alone(load, raw, key):
    if key == "networks":  # the second network goes with the variant that refines it
        raw["variants"].remove("shared")
    before, after = config.resolve(load()), config.resolve(load(key, raw[key][:1]))
    assert after.keys() < before.keys()
    assert {name for name in after if before[name] != after[name]} == REPORT


@pytest.mark.parametrize(
    ("file", "reached"),
    [
        ("src/vdg/systems/vdg.py", stage1() | stage2() | runs("evaluation")),
        ("src/vdg/training/losses.py", stage1() | stage2()),
        ("src/vdg/metrics/fid.py", evaluation()),
        ("src/vdg/data/market1501.py", runs("download")),
        ("src/vdg/data/synthetic/__init__.py", runs("download")),
        ("src/vdg/report/published.py", REPORT),
        ("src/vdg/errors.py", set()),
        ("stages/assign_stage1.py", runs(*(f"network-{name}" for name in VARIANTS))),
    ],
)
def test_changed_code_reaches_the_runs_that_use_it(load, tmp_path, monkeypatch, file, reached):
    before = config.resolve(load())
    for folder in ("src", "stages"):
        shutil.copytree(code.PROJECT / folder, tmp_path / folder)
    with open(tmp_path / file, "a") as source:
        source.write("# changed\n")
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    after = config.resolve(load())
    assert {name for name in before if before[name] != after[name]} == reached


def test_a_new_system_is_seen_before_it_is_trained(load, tmp_path, monkeypatch):
    """A module that only a parameter names, with an import of its own."""
    for folder in ("src", "stages"):
        shutil.copytree(code.PROJECT / folder, tmp_path / folder)
    system = tmp_path / "src/vdg/systems/pg2.py"
    system.write_text("from vdg.systems.parts import x\n\ndef build_stage1(shape):\n    pass\n")
    (tmp_path / "src/vdg/systems/parts.py").write_text("x = 1\n")
    monkeypatch.setattr(code, "PROJECT", tmp_path)
    monkeypatch.setattr(config, "CODE", tmp_path / "src/vdg")
    files = config.resolve(load("network.vdg.system", "pg2"))
    assert {"src/vdg/systems/pg2.py", "src/vdg/systems/parts.py"} <= set(
        files["synthetic/stage1-vdg.json"]["code"]
    )
