"""Where the files of each run are. dvc.yaml says the same; a test holds the two together."""

from dataclasses import dataclass
from pathlib import Path

CONFIGS, DATA, MODELS = Path("configs"), Path("data"), Path("models")
LOSSES, SCORES, PICTURES = Path("losses"), Path("scores"), Path("pictures")
REFERENCES = ("real", "copy-source", "mean-image")
"""Rows of the table that need no network."""
REPORT_CONFIG = CONFIGS / "report.json"


def config(dataset: str, name: str) -> Path:
    """What `resolve` writes of a run: "download", "references", "stage2-full", ..."""
    return CONFIGS / dataset / f"{name}.json"


def references(dataset: str) -> Path:
    """The scores of rows without a network."""
    return SCORES / dataset / "references"


@dataclass(frozen=True)
class Row:
    """A trained row of the table on one data set with one seed: a network's stage I, or a variant.

    name: of the network or variant.
    """

    dataset: str
    name: str
    seed: int
    coarse: bool  # a network's stage I

    @classmethod
    def of(cls, args) -> "Row":
        """From a stage's arguments: `dataset`, `seed`, and `network` or `variant`."""
        network = getattr(args, "network", None)
        return cls(args.dataset, network or args.variant, args.seed, network is not None)

    @property
    def run(self) -> str:
        return f"stage1-{self.name}" if self.coarse else self.name

    @property
    def data(self) -> Path:
        return DATA / self.dataset

    @property
    def training(self) -> Path:
        """The settings and code of its training."""
        return config(self.dataset, self.run if self.coarse else f"stage2-{self.name}")

    @property
    def evaluation(self) -> Path:
        """The settings and code of its scores."""
        return config(self.dataset, f"evaluation-{self.run}")

    @property
    def folder(self) -> Path:
        inner = f"stage1-{self.seed}/{self.name}" if self.coarse else f"{self.name}-{self.seed}"
        return MODELS / self.dataset / inner

    @property
    def model(self) -> Path:
        return self.folder / "model.safetensors"

    @property
    def stage1(self) -> Path:
        """The stage I that a variant refines."""
        return self.folder / "stage1.safetensors"

    @property
    def losses(self) -> Path:
        return LOSSES / self.dataset / f"{self.run}-{self.seed}.csv"

    @property
    def scores(self) -> Path:
        return SCORES / self.dataset / f"{self.run}-{self.seed}"

    @property
    def pictures(self) -> Path:
        return PICTURES / self.dataset / f"{self.run}-{self.seed}"
