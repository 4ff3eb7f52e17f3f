"""Fit a pipeline and pickle it."""

import pickle
import sys
from pathlib import Path

import numpy as np
from settings import settings
from sklearn.ensemble import RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

params = settings("train")
table = np.genfromtxt(f"{sys.argv[1]}/train.csv", delimiter=",", skip_header=1, dtype=str)
forest = RandomForestClassifier(
    n_estimators=params["n_estimators"],
    min_samples_leaf=params["min_samples_leaf"],
    random_state=params["seed"],
)
model = Pipeline([("scale", StandardScaler()), ("forest", forest)])
model.fit(table[:, :-1].astype(float), table[:, -1])
out = Path(sys.argv[2])
out.parent.mkdir(parents=True, exist_ok=True)
with out.open("wb") as file:
    pickle.dump(model, file)
