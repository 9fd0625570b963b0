"""Write reports/: results.md, results.csv, metrics.json, index.html and the figures."""

import argparse
from pathlib import Path

from vdg import cli
from vdg.files import read_json, write_bytes
from vdg.report import rows, tables

REPORTS = Path("reports")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--show", action="store_true", help="print the tables that were written")
    parser.add_argument(
        "--keep", metavar="FILE", help="write the text alone, without pictures, to keep it"
    )
    parser.add_argument("--note", default="", help="first lines of the file that --keep writes")
    args = parser.parse_args()
    config = read_json("configs/report.json")
    if args.keep:
        found = rows.collect(config, Path("scores"))
        text = tables.markdown(found, config, args.note, pictures=False)
        write_bytes(args.keep, text.encode())
        print(args.keep)
        return
    if not args.show:
        tables.write(config, Path("scores"), Path("losses"), REPORTS)
    for found in rows.collect(config, Path("scores")):
        print(f"\n{found.name}, {found.settings['split']} split\n{tables.main_table(found)}")
    print(REPORTS / "results.md")


if __name__ == "__main__":
    cli.run(main)
