"""Turn wines into numbers."""

import csv
import sys
from pathlib import Path

from settings import settings

params = settings("featurize")
source, target = map(Path, sys.argv[1:])
target.mkdir(parents=True, exist_ok=True)
for name in ("train.csv", "test.csv"):
    with (source / name).open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (target / name).open("w", newline="") as file:
        columns = [*rows[0]]
        if params["ratios"]:
            columns.insert(-1, "ratio")
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            if params["ratios"]:
                row["ratio"] = float(row["flavanoids"]) / float(row["total_phenols"])
            writer.writerow(row)
