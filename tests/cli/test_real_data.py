"""Four real tables, each reconciled from a spec that fits on a screen."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import SHARED, Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason=f"the tables are not at {SHARED}"),
]

HOUSING = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: housing}
spec:
  data: {source: data/housing.csv, target: median_house_value}
  training:
    estimator: sklearn.tree.DecisionTreeRegressor
    hyperparameters: {min_samples_leaf: 20}
  acceptance:
    - {metric: r2, min: 0.7}
    - {metric: mae, max: 45000}
    - {metric: r2, min: 0.4, slice: ocean_proximity}
"""

CHURN = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: churn}
spec:
  data:
    source: data/telco_churn.csv
    target: Churn
    ignore: [customerID]
    columns:
      SeniorCitizen: {type: boolean}
      TotalCharges(Rs.): {type: number}
    split: {method: stratified}
  training:
    estimator: sklearn.linear_model.LogisticRegression
  acceptance:
    - {metric: roc_auc, min: 0.8}
    - {metric: recall, min: 0.4}
"""

BIKE = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: bike}
spec:
  data:
    source: data/bike_hour.csv
    target: cnt
    ignore: [instant]
    columns: {dteday: {type: datetime}}
    split: {method: time, column: dteday}
  training:
    estimator: sklearn.tree.DecisionTreeRegressor
    hyperparameters: {min_samples_leaf: 5}
  acceptance:
    - {metric: r2, min: 0.5}
"""

SPAM = """\
apiVersion: reconciler/v1
kind: Model
metadata: {name: spam}
spec:
  data:
    source: data/sms_spam.tsv
    reader: {header: false, names: [label, text], quote: null}
    target: label
    positive: spam
    columns: {text: {type: text}}
    split: {method: stratified}
  training:
    estimator: sklearn.naive_bayes.MultinomialNB
    hyperparameters: {alpha: 0.1}
  acceptance:
    - {metric: f1, min: 0.85}
    - {metric: precision, min: 0.9}
"""

BLANKS_ARE_NULL = ("{type: number}", '{type: number, nulls: [" "]}')
WITHOUT_THE_LEAK = ("ignore: [instant]", "ignore: [instant, casual, registered]")


def declare(project: Project, spec: str) -> None:
    """Commit one spec and the table it reads."""
    name = spec.partition("{name: ")[2].partition("}")[0]
    table = spec.partition("data/")[2].partition("\n")[0].partition(",")[0]
    if not (project.root / "data" / table).exists():
        project.write(f"data/{table}", (SHARED / table).read_bytes())
    project.write(f"specs/{name}.yaml", spec)
    project.reconciler("compile")
    project.commit(f"Declare {name}")


def with_the_published_blanks(project: Project) -> None:
    """Write the churn table as it was published.

    Customers of the first month have been charged nothing yet: a blank where it was published,
    a 0 in the copy at hand.
    """
    with (SHARED / "telco_churn.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    charges, tenure = rows[0].index("TotalCharges(Rs.)"), rows[0].index("tenure(months)")
    for row in rows[1:]:
        if row[tenure] == "0":
            row[charges] = " "
    table = project.write("data/telco_churn.csv", "")
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def attempt(project: Project, model: str) -> tuple[str, str]:
    """Return the outcome and the reason of the only version tried; nothing is released."""
    record = project.status()[model]["record"]
    assert record["champion"] is None
    (version,) = record["versions"]
    return version["outcome"], version["reason"]


def test_housing_is_released_for_every_kind_of_place(project: Project) -> None:
    declare(project, HOUSING)
    project.reconciler("apply")
    champion = project.champion("housing")
    assert 0.7 < champion["metrics"]["r2"] < 0.9
    assert 20_000 < champion["metrics"]["mae"] < 45_000
    places = {item["slice_value"]: item for item in champion["verdict"]["evidence"]}
    assert {"INLAND", "NEAR BAY", "NEAR OCEAN", "<1H OCEAN"} <= set(places)
    assert "ISLAND" not in places  # five rows of 20,640: too few to judge by
    assert "warnings" not in champion


def test_churn_stops_at_blanks_in_a_number_and_goes_on_with_the_one_line_that_mends_it(
    project: Project,
) -> None:
    with_the_published_blanks(project)
    declare(project, CHURN)
    done = project.reconciler("apply", check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "11 of 7,043 rows of TotalCharges(Rs.) are ' ', which is not a number" in said
    assert "columns: {TotalCharges(Rs.): {type: number, nulls: [' ']}}" in said
    assert "Traceback" not in said
    assert attempt(project, "churn") == ("failed", "ContractBroken")
    project.edit("specs/churn.yaml", *BLANKS_ARE_NULL)
    project.reconciler("compile")
    project.commit("Declare the blanks")
    project.reconciler("apply")
    metrics = project.champion("churn")["metrics"]
    assert 0.8 < metrics["roc_auc"] < 0.9
    assert 0.4 < metrics["recall"] < 0.8


def test_the_leak_in_bike_is_on_record_and_gone_without_the_two_columns(project: Project) -> None:
    declare(project, BIKE)
    project.reconciler("apply")
    leaking = project.champion("bike")
    (warning,) = leaking["warnings"]
    assert "casual" in warning
    assert "registered" in warning
    assert leaking["metrics"]["r2"] > 0.9
    project.edit("specs/bike.yaml", *WITHOUT_THE_LEAK)
    project.reconciler("compile")
    project.commit("Ignore what sums to the target")
    project.reconciler("apply")
    honest = project.champion("bike")
    assert "warnings" not in honest
    assert 0.5 < honest["metrics"]["r2"] < 0.9


def test_the_leak_in_bike_is_refused_where_the_spec_says_so(project: Project) -> None:
    declare(project, BIKE.replace("    target: cnt\n", "    target: cnt\n    leakage: refuse\n"))
    done = project.reconciler("apply", check=False)
    assert done.returncode == 1
    assert "casual" in done.stdout
    assert "registered" in done.stdout
    assert attempt(project, "bike") == ("failed", "Leakage")
    assert not (project.root / "releases" / "bike").exists()


def test_spam_is_told_from_ham_and_the_released_bundle_says_so(
    project: Project, tmp_path: Path
) -> None:
    declare(project, SPAM)
    project.reconciler("apply")
    metrics = project.champion("spam")["metrics"]
    assert 0.85 < metrics["f1"] <= 1
    rows = tmp_path / "rows.json"
    texts = ["FREE entry! Win a prize, call 08712101358 now", "See you at home tonight, love"]
    rows.write_text(json.dumps([{"text": text} for text in texts]))
    out = project.reconciler("predict", "spam", "--data", str(rows), "--output", "json").stdout
    assert [row["prediction"] for row in json.loads(out)["predictions"]] == ["spam", "ham"]
