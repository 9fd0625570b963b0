"""Benchmarks that print speed ratios on this machine: `python -m bench.NAME`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
