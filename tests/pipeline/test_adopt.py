"""The adopting step: from a file that somebody else's stages wrote to a bundle."""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import polars as pl
import pytest
import scipy.sparse
import skops.io
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from reconciler.bundle.predictor import Predictor, open_bundle
from reconciler.errors import ReconcilerError
from reconciler.pipeline import adopt, context

WINE = load_wine()
NAMES = [f"f{n}" for n in range(WINE.data.shape[1])]
LABELS = np.array(["barolo", "grignolino", "barbera"])


def tree() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=3, random_state=0)


PLAIN = tree().fit(WINE.data, WINE.target)


class Slot:
    """A folder as the adopting step finds it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def table(self, target: Any, name: str = "test.csv", data: Any = None) -> None:
        columns = dict(zip(NAMES, (WINE.data if data is None else data).T, strict=False))
        pl.DataFrame({**columns, "y": target}).write_csv(self.root / name)

    def adopt(self, model: str = "model.pkl", **sections: dict[str, Any]) -> Predictor:
        """Run the step, and return what answers from the bundle."""
        data = sections.get("data", {"test": "test.csv", "target": "y"})
        training = {"stages": ["train"], "model": model, **sections.get("training", {})}
        request = {
            "data": data,
            "training": training,
            "packaging": sections.get("packaging", {}),
            "runtime": {},
            "folders": ["src"],
            "writers": ["train"],
        }
        place = self.root / "adopted" / "m"
        place.mkdir(parents=True, exist_ok=True)
        (place / "request.json").write_text(json.dumps(request))
        loaded = context.load("m", self.root)
        adopt.run(loaded)
        return open_bundle(place / "bundle")

    def pickled(self, model: Any, path: str = "model.pkl") -> None:
        (self.root / path).write_bytes(pickle.dumps(model))

    def refusal(self, **given: Any) -> ReconcilerError:
        with pytest.raises(ReconcilerError) as found:
            self.adopt(**given)
        return found.value

    def score(self, bundle: Predictor) -> float:
        """Return the share of the rows that stand in the bundle's table and are answered right."""
        rows = pl.read_parquet(self.root / "adopted" / "m" / "prepared" / "test.parquet")
        found = bundle.predict(rows).values
        return float(np.mean(found == rows[bundle.signature.target].to_numpy()))

    @property
    def metrics(self) -> dict[str, float]:
        return dict(json.loads((self.root / "adopted/m/report/metrics.json").read_text()))


@pytest.fixture
def slot(tmp_path: Path) -> Slot:
    return Slot(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [LABELS, np.array([1, 2, 3]), np.array([0.0, 1.0, 2.0]), np.array(["10", "20", "30"])],
    ids=["texts", "integers from 1", "floats", "digits as texts"],
)
@pytest.mark.parametrize(
    "model",
    [
        make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)),
        RandomForestClassifier(5, random_state=0),
        make_pipeline(StandardScaler(), KNeighborsClassifier()),
        SVC(probability=True, random_state=0),
    ],
    ids=["logistic", "forest", "neighbours", "support vectors"],
)
@pytest.mark.filterwarnings("ignore")
def test_a_classifier_answers_its_own_labels_whatever_they_are(
    slot: Slot, model: Any, labels: Any
) -> None:
    truth = labels[WINE.target]
    data = WINE.data.astype(np.float32).astype(float)
    fitted = model.fit(data, truth)
    slot.pickled(fitted)
    slot.table(truth)
    bundle = slot.adopt()
    answers = bundle.predict(pl.read_csv(slot.root / "test.csv"))
    assert answers.values.tolist() == fitted.predict(data).tolist()
    assert slot.score(bundle) == pytest.approx(fitted.score(data, truth))
    assert answers.probabilities == pytest.approx(fitted.predict_proba(data), abs=1e-6)


def test_columns_are_given_by_name_and_in_the_models_order(slot: Slot) -> None:
    frame = pl.DataFrame({"b": [1.0, 2.0, 3.0, 4.0] * 9, "a": [4.0, 1.0, 2.0, 7.0] * 9})
    y = frame["a"] - 10 * frame["b"]
    slot.pickled(LinearRegression().fit(frame, y.to_numpy()))
    frame.select("a", "b").with_columns(id=pl.int_range(36), y=y).write_csv(slot.root / "test.csv")
    bundle = slot.adopt()
    assert [item.name for item in bundle.signature.inputs] == ["b", "a"]
    assert bundle.predict({"a": [0.0], "b": [1.0]}).values == pytest.approx([-10.0])


def test_a_pipeline_that_takes_texts_by_column_name_is_adopted(slot: Slot) -> None:
    frame = pl.DataFrame({"n": np.arange(40.0), "kind": ["red", "white"] * 20})
    y = frame["n"].to_numpy() + 100 * (frame["kind"] == "red").to_numpy()
    encode = ColumnTransformer(
        [("n", StandardScaler(), ["n"]), ("k", OneHotEncoder(handle_unknown="ignore"), ["kind"])]
    )
    slot.pickled(Pipeline([("encode", encode), ("model", Ridge())]).fit(frame, y))
    frame.with_columns(y=pl.Series(y)).write_csv(slot.root / "test.csv")
    bundle = slot.adopt()
    assert {i.name: i.type for i in bundle.signature.inputs} == {"n": "number", "kind": "category"}
    assert bundle.manifest.form == "onnx"


def test_a_search_leaves_its_best_estimator(slot: Slot) -> None:
    search = GridSearchCV(Ridge(), {"alpha": [0.1, 1.0]}, cv=3)
    data = load_diabetes()
    slot.pickled(search.fit(data.data, data.target))
    slot.table(data.target, data=data.data)
    answers = slot.adopt().predict(pl.read_csv(slot.root / "test.csv"))
    assert answers.values == pytest.approx(search.predict(data.data), rel=1e-5)


@pytest.mark.parametrize("suffix", ["joblib", "skops"])
def test_joblib_and_skops_files_are_read_too(slot: Slot, suffix: str) -> None:
    model = PLAIN
    dump = skops.io.dump if suffix == "skops" else joblib.dump
    dump(model, slot.root / f"model.{suffix}")
    slot.table(WINE.target)
    assert slot.adopt(f"model.{suffix}").manifest.form == "onnx"


@pytest.mark.parametrize(
    "held",
    [
        np.column_stack([WINE.data, WINE.target]),
        scipy.sparse.csr_matrix(np.column_stack([WINE.data, WINE.target])),
        (scipy.sparse.csr_matrix(np.column_stack([WINE.data, WINE.target])), ["a", "b"]),
        (WINE.data, WINE.target),
        {"X": WINE.data, "y": WINE.target},
        pl.DataFrame(np.column_stack([WINE.data, WINE.target])),
    ],
    ids=["matrix", "sparse", "sparse and names", "pair", "mapping", "frame"],
)
def test_held_out_rows_may_be_an_object_that_the_stages_have_saved(slot: Slot, held: Any) -> None:
    slot.pickled(PLAIN)
    slot.pickled(held, "test.pkl")
    named = "column_13" if isinstance(held, pl.DataFrame) else "column_14"
    assert slot.score(slot.adopt(data={"test": "test.pkl", "target": named})) > 0.9


def test_a_model_of_a_module_of_their_own_is_found_and_its_type_is_named(slot: Slot) -> None:
    source = slot.root / "src"
    source.mkdir()
    (source / "own_model_of_theirs.py").write_text(
        "from sklearn.linear_model import Ridge\n\n\nclass Odd(Ridge):\n    pass\n"
    )
    sys.path.insert(0, str(source))
    try:
        from own_model_of_theirs import Odd  # type: ignore[import-not-found]

        data = load_diabetes()
        slot.pickled(Odd().fit(data.data, data.target))
    finally:
        sys.path.remove(str(source))
        del sys.modules["own_model_of_theirs"]
    slot.table(data.target, data=data.data)
    error = slot.refusal()
    assert error.reason == "UntrustedEstimator"
    assert "model.pkl, written by train, holds a own_model_of_theirs.Odd" in error.message
    assert "ONNX" in error.hint


class NotAModel:
    """Something that people pickle."""


@pytest.mark.parametrize(
    ("held", "reason", "words"),
    [
        (NotAModel(), "NotAnEstimator", "NotAModel, which is not one fitted estimator"),
        ({"scaler": 1, "model": 2}, "NotAnEstimator", "a mapping with the keys scaler, model"),
        (LogisticRegression(), "NotFitted", "which is not fitted"),
        (StandardScaler().fit(WINE.data), "NotAnEstimator", "StandardScaler"),
    ],
)
def test_what_is_no_model_is_refused_by_file_stage_and_type(
    slot: Slot, held: Any, reason: str, words: str
) -> None:
    slot.pickled(held)
    slot.table(WINE.target)
    error = slot.refusal()
    assert error.reason == reason
    assert error.message.startswith("model.pkl, written by train")
    assert words in error.message
    assert error.hint


def test_a_file_that_is_no_pickle_or_lacks_a_module_is_refused(slot: Slot) -> None:
    slot.table(WINE.target)
    (slot.root / "model.pkl").write_bytes(b"not a pickle")
    assert slot.refusal().reason == "ModelUnreadable"
    (slot.root / "model.pkl").write_bytes(b"cnowhere_to_be_found\nThing\n.")
    error = slot.refusal()
    assert "nowhere_to_be_found" in error.message
    assert "install the module" in error.hint
    (slot.root / "model.pkl").unlink()
    assert slot.refusal().reason == "ModelMissing"


def test_a_table_that_does_not_fit_the_model_is_refused_with_the_columns(slot: Slot) -> None:
    slot.pickled(tree().fit(WINE.data[:, :5], WINE.target))
    slot.table(WINE.target)
    assert "13 columns beside y" in slot.refusal().message
    slot.table(WINE.target, data=WINE.data[:, :5])
    assert slot.adopt().signature.classes == (0, 1, 2)
    slot.table(WINE.target + 7, data=WINE.data[:, :5])
    error = slot.refusal()
    assert error.reason == "UnknownClass"
    assert "9" in error.message


def test_equal_inputs_give_equal_bytes(slot: Slot) -> None:
    slot.pickled(RandomForestClassifier(3, random_state=0).fit(WINE.data, LABELS[WINE.target]))
    slot.table(LABELS[WINE.target])
    slot.adopt()
    place = slot.root / "adopted" / "m"
    before = {p: p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}
    slot.adopt()
    assert {p: p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()} == before


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"test": {"accuracy": 0.75, "loss": NaN}, "train": {"f1": 1, "ok": true}}'),
        ("m.yaml", "test:\n  accuracy: 0.75\ntrain:\n  f1: 1\n"),
        ("m.toml", "[test]\naccuracy = 0.75\n[train]\nf1 = 1\n"),
    ],
)
def test_metrics_of_their_own_are_read_by_dotted_path_and_by_last_key(
    slot: Slot, name: str, text: str
) -> None:
    slot.pickled(PLAIN)
    (slot.root / name).write_text(text)
    bundle = slot.adopt(data={}, training={"metrics_file": name})
    expected = {"accuracy": 0.75, "test.accuracy": 0.75, "f1": 1.0, "train.f1": 1.0}
    assert slot.metrics == expected
    assert bundle.signature.classes == (0, 1, 2)
    examples = json.loads((slot.root / "adopted/m/bundle/examples.json").read_text())
    assert len(examples["rows"]) == len(examples["predictions"]) == 20


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": "high"}'])
def test_a_metrics_file_without_numbers_is_refused(slot: Slot, text: str) -> None:
    slot.pickled(PLAIN)
    (slot.root / "m.json").write_text(text)
    error = slot.refusal(data={}, training={"metrics_file": "m.json"})
    assert error.reason == "MetricsUnreadable"
    assert "m.json" in error.message


@pytest.mark.parametrize("zipped", [True, False], ids=["mappings", "matrix"])
@pytest.mark.parametrize("labels", [LABELS, np.array([1, 2, 3])], ids=["texts", "integers"])
def test_onnx_that_the_stages_wrote_is_kept_behind_our_ends(
    slot: Slot, labels: Any, zipped: bool
) -> None:
    from skl2onnx import to_onnx

    truth = labels[WINE.target]
    data = WINE.data.astype(np.float32)
    # of a kind for which this process has no converter of its own
    fitted = make_pipeline(StandardScaler(), LogisticRegression()).fit(data, truth)
    graph = to_onnx(fitted, data[:1], options={"zipmap": zipped}, target_opset=15)
    (slot.root / "model.onnx").write_bytes(graph.SerializeToString())
    slot.table(truth)
    bundle = slot.adopt("model.onnx")
    answers = bundle.predict(pl.read_csv(slot.root / "test.csv"))
    assert answers.values.tolist() == fitted.predict(data).tolist()
    assert answers.probabilities == pytest.approx(fitted.predict_proba(data), abs=1e-5)


def test_onnx_of_a_regression_and_with_an_input_for_each_column(slot: Slot) -> None:
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    data = load_diabetes()
    fitted = Ridge().fit(data.data, data.target)
    graph = to_onnx(fitted, data.data[:1].astype(np.float32))
    (slot.root / "model.onnx").write_bytes(graph.SerializeToString())
    slot.table(data.target, data=data.data)
    rows = pl.read_csv(slot.root / "test.csv")
    answers = slot.adopt("model.onnx").predict(rows)
    assert answers.values == pytest.approx(fitted.predict(data.data), rel=1e-4)
    pick = ColumnTransformer([("all", "passthrough", [0, 1])])
    two = Pipeline([("pick", pick), ("model", Ridge())]).fit(data.data[:, :2], data.target)
    kinds = [(name, FloatTensorType([None, 1])) for name in NAMES[:2]]
    (slot.root / "model.onnx").write_bytes(to_onnx(two, initial_types=kinds).SerializeToString())
    bundle = slot.adopt("model.onnx")
    assert [item.name for item in bundle.signature.inputs] == NAMES[:2]
    assert bundle.predict(rows).values == pytest.approx(two.predict(data.data[:, :2]), rel=1e-4)


def test_a_matrix_of_scores_is_a_classifier_where_the_spec_says_so(slot: Slot) -> None:
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [13, 3], np.eye(13, 3).ravel().tolist())
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["scores"])],
        "scores",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", 13])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", 3])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    (slot.root / "model.onnx").write_bytes(model.SerializeToString())
    slot.table(WINE.target)
    error = slot.refusal(model="model.onnx")
    assert error.reason == "UnknownAnswers"
    assert "training.task" in error.hint
    bundle = slot.adopt("model.onnx", training={"task": "classification"})
    answers = bundle.predict(pl.read_csv(slot.root / "test.csv"))
    assert answers.values.tolist() == WINE.data[:, :3].argmax(axis=1).tolist()
    assert answers.probabilities is None


def test_a_damaged_onnx_file_is_refused(slot: Slot) -> None:
    (slot.root / "model.onnx").write_bytes(b"\x08\x07garbage")
    slot.table(WINE.target)
    assert slot.refusal(model="model.onnx").reason == "ModelUnreadable"


def test_a_pipeline_that_takes_texts_becomes_one_that_takes_a_table(slot: Slot) -> None:
    texts = [f"{'good' if n % 2 else 'bad'} wine, number {n % 7} of the list" for n in range(60)]
    truth = ["yes" if n % 2 else "no" for n in range(60)]
    fitted = make_pipeline(TfidfVectorizer(min_df=2), LogisticRegression()).fit(texts, truth)
    slot.pickled(fitted)
    pl.DataFrame({"id": range(60), "said": texts, "y": truth}).write_csv(slot.root / "test.csv")
    assert "takes one text" in slot.refusal().message
    bundle = slot.adopt(data={"test": "test.csv", "target": "y", "ignore": ["id"]})
    assert bundle.manifest.form == "onnx"
    answers = bundle.predict({"said": ["Good wine!", "a BAD list"]})
    assert answers.values.tolist() == ["yes", "no"]
    assert answers.probabilities == pytest.approx(
        fitted.predict_proba(["Good wine!", "a BAD list"]), abs=1e-6
    )
