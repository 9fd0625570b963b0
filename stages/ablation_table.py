"""Write reports/results.md, results.csv, metrics.json and the figures from all scores."""

import argparse
import shutil
from pathlib import Path

from vdg import cli, report
from vdg.files import read_json

REPORTS = Path("reports")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the tables that were written")
    args = parser.parse_args()
    config = read_json("configs/report.json")
    if not args.show:
        shutil.rmtree(REPORTS / "figures", ignore_errors=True)
        report.write(config, Path("scores"), Path("losses"), REPORTS)
    for found in report.collect(config, Path("scores")):
        print(f"\n{found.name}, {found.settings['split']} split\n{report.main_table(found)}")
    print(REPORTS / "results.md")


if __name__ == "__main__":
    cli.run(main)
