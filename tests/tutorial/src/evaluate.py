"""Score the model on the held-out wines."""

import json
import pickle
import sys
from pathlib import Path

import numpy as np
from sklearn import metrics

with Path(sys.argv[1]).open("rb") as file:
    model = pickle.load(file)
table = np.genfromtxt(f"{sys.argv[2]}/test.csv", delimiter=",", skip_header=1, dtype=str)
features, truth = table[:, :-1].astype(float), table[:, -1]
found = {
    "accuracy": metrics.accuracy_score(truth, model.predict(features)),
    "log_loss": metrics.log_loss(truth, model.predict_proba(features)),
}
Path("eval").mkdir(exist_ok=True)
Path("eval/metrics.json").write_text(json.dumps({"test": found}, indent=1))
