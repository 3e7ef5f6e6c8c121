"""An agent's errand: reads sales, groups them, leaves a report in several formats."""

import argparse
import csv
import hashlib
import json
import logging
import sqlite3
import statistics
import sys
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path

from inflect_lite import plural

from report import table
from report.money import total

log = logging.getLogger("agent")


@dataclass
class Region:
    name: str
    amounts: list = field(default_factory=list)
    days: set = field(default_factory=set)

    def summary(self):
        values = [float(amount) for amount in self.amounts]
        return {
            "region": self.name,
            "sales": len(self.amounts),
            "days": len(self.days),
            "first": min(self.days).isoformat(),
            "total": str(total(self.amounts)),
            "mean": statistics.fmean(values),
            "median": statistics.median(values),
            "deviation": statistics.pstdev(values),
        }


def read(path, least):
    regions = defaultdict(lambda: Region(""))
    skipped = 0
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            amount = Decimal(row["amount"])
            if amount < least:
                skipped += 1
                continue
            region = regions[row["region"]]
            region.name = row["region"]
            region.amounts.append(amount)
            region.days.add(date.fromisoformat(row["day"]))
    log.info("skipped %d %s below %s", skipped, plural("sale", skipped), least)
    return regions


def write_database(path, summaries):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE summary (region TEXT PRIMARY KEY, sales INT, total TEXT, mean REAL)")
        connection.executemany("INSERT INTO summary VALUES (:region, :sales, :total, :mean)", summaries)
        connection.execute("CREATE INDEX by_sales ON summary (sales DESC)")
    best = connection.execute("SELECT region, sales FROM summary ORDER BY sales DESC, region LIMIT 3").fetchall()
    connection.close()
    return best


def write_archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.writestr(zipfile.ZipInfo(file.name, (2026, 1, 1, 0, 0, 0)), file.read_bytes())


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sales", type=Path)
    parser.add_argument("--out", type=Path, default=Path("out"))
    parser.add_argument("--least", type=Decimal, default=Decimal("0"), metavar="AMOUNT")
    parser.add_argument("-v", "--verbose", action="store_true")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(
        level=logging.INFO if arguments.verbose else logging.WARNING,
        format="%(levelname)s:%(name)s:%(funcName)s:%(lineno)d: %(message)s",
        handlers=[logging.StreamHandler(), logging.FileHandler(arguments.out / "agent.log", "w")],
    )
    log.info("inflect_lite %s, sqlite %s", version("inflect-lite"), sqlite3.sqlite_version)

    regions = read(arguments.sales, arguments.least)
    summaries = [regions[name].summary() for name in sorted(regions)]
    report = arguments.out / "report.json"
    report.write_text(json.dumps(summaries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    database = arguments.out / "report.sqlite"
    database.unlink(missing_ok=True)
    best = write_database(database, summaries)
    write_archive(arguments.out / "report.zip", [report, database])

    print(table.render(summaries))
    for place, (region, sales) in enumerate(best, 1):
        print(f"{place}. {region}: {sales:,} {plural('sale', sales)}")
    for file in sorted(arguments.out.iterdir()):
        print(f"{hashlib.sha256(file.read_bytes()).hexdigest()[:16]} {file.stat().st_size:>8} {file.as_posix()}")
    if not summaries:
        log.error("no sales of at least %s", arguments.least)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
