"""Write the report to reports/: results.md, results.csv, metrics.json, index.html and figures."""

import argparse
from pathlib import Path

from vdg import cli
from vdg.code import unchanged
from vdg.layout import LOSSES, REPORT_CONFIG, SCORES
from vdg.report import publish, rows, tables
from vdg.report.inputs import read_config

REPORTS = Path("reports")
SPREAD = Path("docs/notes/spread.csv")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the main tables, write nothing")
    parser.add_argument(
        "--keep", type=Path, metavar="FILE", help="write the text without figures to reports/*.md"
    )
    parser.add_argument("--note", default="", help="first lines of the file that --keep writes")
    args = parser.parse_args()
    config = read_config(REPORT_CONFIG)
    if args.keep:
        publish.keep(config, SCORES, args.keep, REPORTS, args.note, SPREAD)
        print(args.keep)
        return
    if not args.show:
        with unchanged(config.code):
            publish.write(config, SCORES, LOSSES, REPORTS)
    for report in rows.collect(config, SCORES):
        settings = report.settings
        print(f"\n{report.name}, {settings.split} split, {settings.evaluated} pairs")
        print(tables.markdown(tables.main_table(report)))
    print(REPORTS / "results.md")


if __name__ == "__main__":
    cli.run(main)
