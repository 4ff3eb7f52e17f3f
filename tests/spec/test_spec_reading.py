from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.adapters import catalogue as catalogues
from reconciler.adapters.targets import KNOWN, LOCAL
from reconciler.pipeline import reading as tables
from reconciler.spec.catalogue import Catalogue
from reconciler.spec.checks import data as data_checks
from reconciler.spec.checks.deployment import TARGETS
from reconciler.spec.params import Params
from reconciler.spec.problems import Problem
from reconciler.spec.reading import read_fleet, read_params, read_spec, resolved

ROOT = Path(__file__).resolve().parents[2]
CATALOGUE: Catalogue = catalogues.load(ROOT / "tests")
RIDGE = "estimator: sklearn.linear_model.Ridge"
TREE = "sklearn.tree.DecisionTreeRegressor"


def spec(
    *,
    name: str = "a",
    source: str = "sklearn:diabetes",
    data: str = "",
    training: str = RIDGE,
    acceptance: str = "[{metric: r2, min: 0.5}]",
    deployment: str = "{}",
) -> bytes:
    return (
        f"apiVersion: reconciler/v1\nkind: Model\nmetadata: {{name: {name}}}\nspec:\n"
        f"  data:\n    source: {source}\n    target: y\n    {data}\n"
        f"  training: {{{training}}}\n  acceptance: {acceptance}\n  deployment: {deployment}\n"
    ).encode()


def problems(
    text: bytes, params: Params | None = None, modes: Mapping[str, str] | None = None
) -> list[str]:
    _, found = read_fleet({"specs/a.yaml": text}, params or Params(), CATALOGUE, modes)
    return [f"{p.key}: {p.message} {p.hint}" for p in found]


def only(text: bytes, modes: Mapping[str, str] | None = None) -> str:
    found = problems(text, modes=modes)
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_specs_of_this_repository_are_valid(path: Path) -> None:
    read = read_spec(path.read_bytes(), f"specs/{path.name}", Params(), CATALOGUE)
    assert read.problems == ()
    assert read.spec is not None
    assert resolved(read.spec)["spec"]["deployment"]["target"] in ("directory", "local")


def test_every_problem_of_a_file_is_reported_at_once_and_in_its_place() -> None:
    text = b"""apiVersion: reconciler/v2
metadata: {name: A_b, labels: {a: 1}}
spec:
  data:
    target: 1
    columns: {a: {allowed: [[1]], min: true}}
    split: {test: "0.2", colum: 1}
  training:
    estimator: sklearn.linear_model.Rigde
    timeout: soon
    hyperparameters: {alpha: -1}
  acceptance:
    - {metric: rsme, max: 1}
    - {metric: rmse, min: 1}
  deployment: {target: moon, keep: true}
"""
    read = read_spec(text, "specs/a.yaml", Params(), CATALOGUE)
    assert read.spec is None
    places = [(p.line, p.column, p.key) for p in read.problems]
    assert places == [
        (1, 1, "kind"),
        (1, 13, "apiVersion"),
        (2, 18, "metadata.name"),
        (2, 35, "metadata.labels.a"),
        (4, 3, "spec.data.source"),
        (5, 13, "spec.data.target"),
        (6, 29, "spec.data.columns.a.allowed[0]"),
        (6, 40, "spec.data.columns.a.min"),
        (7, 19, "spec.data.split.test"),
        (7, 26, "spec.data.split.colum"),
        (9, 16, "spec.training.estimator"),
        (10, 14, "spec.training.timeout"),
        (13, 16, "spec.acceptance[0].metric"),
        (14, 22, "spec.acceptance[1].min"),
        (15, 24, "spec.deployment.target"),
        (15, 36, "spec.deployment.keep"),
    ]
    assert str(read.problems[9]) == (
        "specs/a.yaml:7:26: spec.data.split.colum: there is no such key (did you mean column?)"
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b"[]", "mapping"),
        (b"a: .nan", ".nan"),
        (b"spec: {acceptance: [{metric: r2, min: .nan}]}", ".nan"),
        (b"#" * 300_000, "300,000 bytes"),
        (b"\xff", "UTF-8"),
    ],
)
def test_a_file_that_is_no_spec_is_refused_with_its_path(text: bytes, words: str) -> None:
    read = read_spec(text, "specs/a.yaml", Params(), CATALOGUE)
    assert read.spec is None
    assert read.problems[0].path == "specs/a.yaml"
    assert words in read.problems[0].message


@pytest.mark.parametrize(
    "name", ["../x", "-x", "x-", "Abc", "a" * 300, "a" * 64, "a.b", "a/b", "a b", '""', "ä", "5"]
)
def test_a_name_that_is_no_name_is_refused(name: str) -> None:
    read = read_spec(spec(name=name), f"specs/{name}.yaml", Params(), CATALOGUE)
    assert read.spec is None
    assert {p.key for p in read.problems} == {"metadata.name"}


def test_a_name_is_that_of_the_file() -> None:
    assert "the file is called a.yaml" in only(spec(name="b"))


def test_of_twins_that_differ_in_case_the_one_in_lower_case_stays() -> None:
    files = {"specs/a.yaml": spec(), "specs/A.yaml": spec(name="A")}
    specs, found = read_fleet(files, Params(), CATALOGUE)
    assert list(specs) == ["a"]
    assert {p.path for p in found} == {"specs/A.yaml"}
    assert any("case" in p.message for p in found)


def test_one_wrong_spec_spoils_no_other() -> None:
    files = {"specs/a.yaml": spec(), "specs/b.yaml": b"a: [", "specs/c.yaml": spec(name="c")}
    specs, found = read_fleet(files, Params(), CATALOGUE)
    assert sorted(specs) == ["a", "c"]
    assert [p.path for p in found] == ["specs/b.yaml"]


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd.csv",
        "../x.csv",
        "../repo-evil/x.csv",
        "data/../../x.csv",
        "file:///etc/x.csv",
        "~/x.csv",
        "~root/x.csv",
        "C:/x.csv",
        "data\\x.csv",
        "s3://bucket/x.csv",
        "./x.csv",
        "data//x.csv",
        "'${item.data}.csv'",
        '"a\\nb.csv"',
        ".git/config.csv",
        ".dvc/config.csv",
        "models/a/x.csv",
        "data/prepared/x.csv",
    ],
)
def test_a_path_that_leaves_the_repository_is_refused(path: str) -> None:
    assert only(spec(source=path)).startswith("spec.data.source: ")
    code = f"entrypoint: '{path.strip(chr(39))}:build', task: regression"
    if '"' not in path and "\\" not in path:
        assert problems(spec(training=code))


TREE_MODES = {
    "specs/a.yaml": "100644",
    "data/x.csv.dvc": "100644",
    "data/y.csv": "100644",
    "data/link.csv": "120000",
    "data/p.csv": "100644",
    "data/p.csv.dvc": "120000",
    "folder": "120000",
    "parts/1.csv": "100644",
    "mixed/1.csv": "100644",
    "mixed/2.csv": "120000",
    "sub": "160000",
    "code/model.py": "100755",
    "code/link.py": "120000",
}


@pytest.mark.parametrize("path", ["data/x.csv", "data/y.csv", "parts"])
def test_data_is_a_file_a_tracked_file_or_a_folder_of_the_tree(path: str) -> None:
    assert problems(spec(source=path, data="format: csv"), modes=TREE_MODES) == []


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("data/link.csv", "symbolic link"),
        ("folder/x.csv", "folder is a symbolic link"),
        ("data/p.csv", "data/p.csv.dvc is a symbolic link"),
        ("mixed", "symbolic links"),
        ("sub/x.csv", "submodule"),
        ("data/z.csv", "not in the repository"),
        ("data/yy.csv", "did you mean data/y.csv?"),
    ],
)
def test_data_behind_a_link_or_missing_is_refused(path: str, words: str) -> None:
    assert words in only(spec(source=path, data="format: csv"), TREE_MODES)


def test_code_is_in_the_tree_and_no_link() -> None:
    def with_code(path: str, dep: str) -> bytes:
        code = f"entrypoint: '{path}:build', task: regression, deps: [{dep}]"
        return spec(training=code)

    assert problems(with_code("code/model.py", "code/model.py"), modes=TREE_MODES) == []
    assert "symbolic link" in only(with_code("code/link.py", "code/model.py"), TREE_MODES)
    assert "training.deps[0]" in only(with_code("code/model.py", "code/no.py"), TREE_MODES)


def test_a_spec_that_is_a_link_is_refused_without_its_content() -> None:
    found = only(b"root:x:0:0", {"specs/a.yaml": "120000"})
    assert "symbolic link" in found
    assert "root" not in found


@pytest.mark.parametrize(
    ("training", "key", "words"),
    [
        ("estimator: os.system", "estimator", "outside the allow-list (sklearn.)"),
        ("estimator: sklearnevil.Ridge", "estimator", "did you mean sklearn.linear_model.Ridge?"),
        ("estimator: sklearn.linear_model.Rigde", "estimator", "sklearn.linear_model.Ridge"),
        ("estimator: sklearn.svm.Ridge", "estimator", "did you mean sklearn.linear_model.Ridge?"),
        ("estimator: sklearn.linear_model._ridge.Ridge", "estimator", "did you mean"),
        (f"{RIDGE}, hyperparameters: {{alhpa: 1}}", "alhpa", "did you mean alpha?"),
        (f"{RIDGE}, hyperparameters: {{alpha: -1}}", "alpha", "found -1, wanted a number >= 0"),
        (f"{RIDGE}, hyperparameters: {{fit_intercept: 1}}", "fit_intercept", "true or false"),
        (f"{RIDGE}, hyperparameters: {{max_iter: true}}", "max_iter", "whole number"),
        (f"{RIDGE}, hyperparameters: {{max_iter: 2.0}}", "max_iter", "whole number"),
        (f"{RIDGE}, hyperparameters: {{solver: svg}}", "solver", '"svd"'),
        (f"{RIDGE}, hyperparameters: {{random_state: 1}}", "random_state", "training.seed"),
        (f"{RIDGE}, hyperparameters: {{a.b: 1}}", "a.b", "part__name"),
        (f"{RIDGE}, hyperparameters: {{alpha__x: 1}}", "alpha__x", "no parts"),
        (f"{RIDGE}, task: classification", "task", "is for regression"),
        ("task: regression", "training", "estimator is missing"),
        (f"{RIDGE}, entrypoint: 'a.py:b', task: regression", "entrypoint", "both"),
        (f"{RIDGE}, deps: [a.py]", "deps", "entrypoint"),
        ("entrypoint: a.py, task: regression", "entrypoint", "training/model.py:build"),
        ("entrypoint: 'a.py:b.c', task: regression", "entrypoint", "wanted file and function"),
        ("entrypoint: 'a.py:build'", "entrypoint", "task: regression"),
        (f"{RIDGE}, timeout: 5", "timeout", "found 5"),
        (f"{RIDGE}, preprocessing: ato", "preprocessing", "did you mean auto?"),
        (f"{RIDGE}, preprocessing: {{text: {{ngrams: [2, 1]}}}}", "ngrams", "above"),
        (f"{RIDGE}, preprocessing: {{drop: y}}", "drop", "target"),
    ],
)
def test_what_cannot_be_trained_is_refused(training: str, key: str, words: str) -> None:
    found = only(spec(training=training))
    assert found.split(":")[0].endswith(key)
    assert words in found


def test_hyperparameters_of_a_nested_estimator_are_checked_too() -> None:
    boost = "estimator: sklearn.ensemble.AdaBoostRegressor, hyperparameters"
    inner = f"{boost}: {{estimator: {TREE}"
    assert problems(spec(training=f"{inner}, estimator__max_depth: 2}}")) == []
    assert "whole number >= 1" in only(spec(training=f"{inner}, estimator__max_depth: 0}}"))
    assert "did you mean max_depth" in only(spec(training=f"{inner}, estimator__maxdepth: 2}}"))
    assert "not given" in only(spec(training=f"{boost}: {{estimator__max_depth: 2}}"))
    assert "allow-list" in only(spec(training=f"{boost}: {{estimator: os.system}}"))


def test_a_required_hyperparameter_must_be_given() -> None:
    training = "estimator: sklearn.multiclass.OneVsRestClassifier"
    text = spec(training=training, acceptance="[{metric: accuracy, min: 0.5}]")
    assert "needs hyperparameter estimator" in only(text)


def test_a_share_is_told_from_a_count() -> None:
    forest = "estimator: sklearn.ensemble.RandomForestRegressor, hyperparameters"
    assert problems(spec(training=f"{forest}: {{max_features: 1.0}}")) == []
    assert problems(spec(training=f"{forest}: {{max_features: 1}}")) == []
    assert "max_features" in only(spec(training=f"{forest}: {{max_features: 1.5}}"))


def test_estimators_of_other_libraries_need_the_allow_list_and_a_task() -> None:
    params = Params(allow=("sklearn.", "lightgbm."))
    given = "estimator: lightgbm.LGBMRegressor, hyperparameters: {anything: 1}"
    assert "set task" in problems(spec(training=given), params)[0]
    assert problems(spec(training=f"{given}, task: regression"), params) == []


@pytest.mark.parametrize(
    ("rule", "key", "words"),
    [
        ("metric: rsme, max: 5", "metric", "did you mean rmse?"),
        ("metric: mean_squared_error, max: 5", "metric", "did you mean mse?"),
        ("metric: neg_root_mean_squared_error, max: 5", "metric", "did you mean rmse?"),
        ("metric: zzz, max: 5", "metric", "known are mse"),
        ("metric: accuracy, min: 0.5", "metric", "no metric of a regression"),
        ("metric: rmse, min: 5", "min", "write max: 5"),
        ("metric: r2, max: 0.5", "max", "write min: 0.5"),
        ("metric: r2, min: 95", "min", "did you mean 0.95?"),
        ("metric: rmse, max: -1", "max", "never below 0"),
        ("metric: r2, min: '0.5'", "min", "found '0.5', wanted a number"),
        ("metric: r2, min: true", "min", "found true, wanted a number"),
        ("metric: r2", "acceptance[0]", "demands nothing"),
        ("metric: r2, compare: champion, min: 0.5", "compare", "two rules"),
        ("metric: r2, compare: champion, margin: 1 percent", "margin", "1%"),
        ("metric: r2, compare: champion, margin: -1", "margin", "at least 0"),
        ("metric: r2, compare: champion, margin: 0%", "margin", "better than the last"),
        ("metric: r2, compare: champion, confidence: 0.5", "confidence", "above 0.5"),
        ("metric: r2, compare: champion, confidence: 1", "confidence", "below 1"),
        ("metric: r2, min: 0.5, margin: 1%", "margin", "together with compare"),
        ("metric: r2, min: 0.5, min_support: 5", "min_support", "together with slice"),
        ("metric: size_mb, compare: champion", "compare", "give a max:"),
        ("metric: latency_p99_ms, max: 5, slice: x", "slice", "leave it out"),
    ],
)
def test_a_rule_that_cannot_mean_what_it_says_is_refused(rule: str, key: str, words: str) -> None:
    found = only(spec(acceptance=f"[{{{rule}}}]"))
    assert found.split(": ")[0].endswith(key)
    assert words in found


def test_a_margin_of_zero_is_a_warning_and_the_spec_is_valid() -> None:
    text = spec(acceptance="[{metric: r2, compare: champion, margin: 0}]")
    read = read_spec(text, "specs/a.yaml", Params(), CATALOGUE)
    assert read.spec is not None
    assert [p.severity for p in read.problems] == ["warning"]
    assert "warning: " in str(read.problems[0])


def test_an_empty_acceptance_is_refused() -> None:
    assert "at least one rule" in only(spec(acceptance="[]"))


@pytest.mark.parametrize(
    ("data", "key", "words"),
    [
        ("split: {method: time}", "split", "needs column"),
        ("split: {column: x}", "column", "uses no column"),
        ("split: {method: group, column: x, key: z}", "key", "uses no key"),
        ("split: {method: stratified}", "method", "no classes"),
        ("split: {key: y}", "key", "target"),
        ("split: {test: 1}", "test", "below 1"),
        ("positive: 1", "positive", "no positive class"),
        ("ignore: y", "ignore", "target"),
        ("columns: {a: {type: number, min: 5, max: 1}}", "min", "above max"),
        ("columns: {a: {min: '2024-02-01', max: '2024-01-01'}}", "min", "above max"),
        ("columns: {a: {type: category, min: 1}}", "min", "no smallest"),
        ("columns: {a: {type: datetime, min: soon}}", "min", "2024-01-31"),
        ("columns: {a: {type: text, allowed: [1]}}", "allowed[0]", "1 is no text"),
        ("columns: {a: {allowed: []}}", "allowed", "no value"),
        ("columns: {a: {type: numbr}}", "type", "did you mean number?"),
        ("format: csv", "format", "no format"),
    ],
)
def test_data_that_contradicts_itself_is_refused(data: str, key: str, words: str) -> None:
    found = only(spec(data=data))
    assert found.split(": ")[0].endswith(key)
    assert words in found


@pytest.mark.parametrize(
    ("reader", "key", "words"),
    [
        ("encoding: utf-88", "encoding", "no encoding"),
        ("names: [a, b]", "names", "header: false"),
        ("header: false, names: [a, a]", "names", "twice"),
        ("separator: ab", "separator", "one character"),
    ],
)
def test_a_reader_that_cannot_read_is_refused(reader: str, key: str, words: str) -> None:
    found = only(spec(source="data/x.csv", data=f"reader: {{{reader}}}"))
    assert found.split(": ")[0].endswith(key)
    assert words in found


def test_a_dataset_that_does_not_exist_is_refused_with_the_nearest() -> None:
    assert "did you mean iris?" in only(spec(source="sklearn:irs"))
    assert "set data.format" in only(spec(source="data/table"))


def test_targets_exist_and_honour_what_is_asked() -> None:
    assert "known are directory" in only(spec(deployment="{target: moon}"))
    rollout = "{rollout: {strategy: canary, steps: [10, 50]}}"
    assert "cannot roll out in steps set strategy: immediate, or target: local" in only(
        spec(deployment=rollout)
    )
    assert problems(spec(deployment="{rollout: {strategy: immediate}}")) == []


def test_the_fleets_defaults_stand_under_every_spec() -> None:
    training = {"hyperparameters": {"alpha": 2}, "estimator": "sklearn.linear_model.Ridge"}
    params = Params(
        defaults={"data": {"split": {"test": 0.3, "seed": 4}}, "training": {**training, "seed": 3}}
    )
    text = spec(data="split: {seed: 7}", training="threads: 2")
    read = read_spec(text, "specs/a.yaml", params, CATALOGUE)
    assert read.spec is not None
    assert (read.spec.spec.data.split.test, read.spec.spec.data.split.seed) == (0.3, 7)
    assert read.spec.spec.training.hyperparameters == {"alpha": 2}
    own = read_spec(spec(training=f"estimator: {TREE}"), "specs/a.yaml", params, CATALOGUE)
    assert own.spec is not None
    assert own.spec.spec.training.hyperparameters == {}
    assert own.spec.spec.training.seed == 3


def test_a_problem_of_the_defaults_says_that_it_comes_from_there() -> None:
    params = Params(defaults={"deployment": {"target": "cloud"}})
    assert "from defaults: in params.yaml" in problems(spec(), params)[0]


def test_four_lines_and_the_defaults_are_a_spec() -> None:
    text = (
        b"apiVersion: reconciler/v1\nkind: Model\nmetadata: {name: a}\nspec:\n"
        b"  data: {source: 'sklearn:diabetes', target: target}\n"
        b"  training: {estimator: sklearn.linear_model.Ridge}\n"
        b"  acceptance: [{metric: r2, min: 0.3}]\n"
    )
    read = read_spec(text, "specs/a.yaml", Params(), CATALOGUE)
    assert read.problems == ()
    assert read.spec is not None
    assert resolved(read.spec)["apiVersion"] == "reconciler/v1"
    again = read.spec.model_validate(resolved(read.spec))
    assert again == read.spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"allow: sklearn.", "wanted a list"),
        (b"allow: [sklearn]", "a dot behind it"),
        (b"allow: ['']", "a dot behind it"),
        (b"defaults: {trainin: {}}", "did you mean training?"),
        (b"defaults: {data: {split: {tset: 1}}}", "did you mean test?"),
        (b"targets: {cloud: {}}", "known are directory"),
        (b"targets: {directory: {rot: x}}", "known are root"),
        (b"targets: {local: {root: x}}", "known are endpoints, token_env"),
        (b"targets: {local: {token_env: a b}}", "name of an environment variable"),
        (b"targets: {local: {endpoints: x}}", "wanted a list"),
        (b"targets: {local: {endpoints: []}}", "wanted a list"),
        (b"targets: {local: {endpoints: ['localhost:8080']}}", "wanted an address"),
        (b"targets: {local: {endpoints: ['http://u:p@h:1']}}", "holds no password"),
        (b"targets: {local: {endpoints: ['http://h:99999']}}", "wanted an address"),
        (b"targets: {local: {endpoints: ['http://h/', 'http://h']}}", "named twice"),
        (b"runtime: {python: 3.11}", "quote it"),
        (b"models: [", "not valid YAML"),
        (b"apiVersion: v2", "wanted reconciler/v1"),
        (b"- 1", "mapping"),
    ],
)
def test_params_that_cannot_be_followed_are_refused(text: bytes, words: str) -> None:
    read = read_params(text)
    assert read.params is None
    assert any(words in str(p) for p in read.problems), read.problems


def test_a_token_that_would_travel_in_the_clear_is_warned_of() -> None:
    read = read_params(b"targets: {local: {endpoints: ['http://far:1'], token_env: TOKEN}}")
    assert read.params is not None
    assert "in the clear" in str(read.problems[0])


def test_params_leave_the_users_own_keys_alone() -> None:
    read = read_params(b"learning_rate: 0.1\ndefaults: {deployment: {keep: 3}}\n")
    assert read.params is not None
    assert read.problems == ()
    assert read_params(b"").params == Params()
    mistyped = read_params(b"default: {deployment: {keep: 3}}\n")
    assert mistyped.params is not None
    assert "did you mean defaults?" in str(mistyped.problems[0])


WORDS = (
    "apiVersion kind metadata name spec data source target split test training estimator "
    "hyperparameters alpha acceptance metric min max deployment columns a 1"
)
KEYS = st.sampled_from(sorted(WORDS.split()))
LEAVES = (
    st.sampled_from(["r2", "sklearn.linear_model.Ridge", "sklearn:iris", "time", "../x", "a"])
    | st.text(max_size=8)
    | st.integers(-3, 3)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.none()
)
TREES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None, max_examples=200)
@given(TREES, st.sampled_from(["", "data", "training", "acceptance", "deployment", "metadata"]))
def test_any_document_is_a_spec_or_has_problems(tree: object, section: str) -> None:
    base: dict[str, object] = {
        "apiVersion": "reconciler/v1",
        "kind": "Model",
        "metadata": {"name": "a"},
        "spec": {
            "data": {"source": "sklearn:diabetes", "target": "y"},
            "training": {"estimator": "sklearn.linear_model.Ridge"},
            "acceptance": [{"metric": "r2", "min": 0.3}],
        },
    }
    body = base["spec"]
    assert isinstance(body, dict)
    if section:
        (base if section == "metadata" else body)[section] = tree
    document = base if section else tree
    text = json.dumps(document).encode()
    read = read_spec(text, "specs/a.yaml", Params(), CATALOGUE)
    assert (read.spec is None) == any(p.severity == "error" for p in read.problems)
    assert all(isinstance(p, Problem) and p.line >= 1 and p.message for p in read.problems)


def test_reading_knows_the_same_datasets_endings_and_targets_as_those_who_act() -> None:
    assert data_checks.DATASETS == tables.DATASETS
    assert data_checks.SUFFIXES == tables._SUFFIXES
    assert set(TARGETS) == {*KNOWN, LOCAL}


def test_reading_specs_imports_no_library_of_arrays() -> None:
    code = (
        "import sys, reconciler.spec.reading as r;"
        "print([m for m in ('numpy', 'polars', 'sklearn', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
