"""Split the raw table into two."""

import csv
import random
import sys
from pathlib import Path

from settings import settings

params = settings("prepare")
rng = random.Random(params["seed"])
with Path(sys.argv[1]).open(newline="") as file:
    header, *rows = csv.reader(file)
out = Path("data/prepared")
out.mkdir(parents=True, exist_ok=True)
with (
    (out / "train.csv").open("w", newline="") as train,
    (out / "test.csv").open("w", newline="") as test,
):
    writers = csv.writer(train), csv.writer(test)
    for writer in writers:
        writer.writerow(header)
    for row in rows:
        writers[rng.random() < params["share"]].writerow(row)
