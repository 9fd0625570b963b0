"""Benchmarks that print what the README and the issues claim: `python -m bench.NAME`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
