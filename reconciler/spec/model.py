"""The spec: a model as people declare it in `specs/<name>.yaml`."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9})(s|m|h|d)")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
Text = Annotated[str, StringConstraints(min_length=1, strict=True)]
Duration = Annotated[str, StringConstraints(pattern=r"^[1-9]\d{0,8}(s|m|h|d)$", strict=True)]
Label = str | bool | int | float
ColumnType = Literal["number", "integer", "category", "text", "boolean", "datetime"]


def seconds(duration: str) -> float:
    """Return how many seconds a duration such as `30m` is.

    Raises:
        ValueError: It is none.
    """
    found = _DURATION.fullmatch(duration)
    if found is None:
        raise ValueError(f"not a duration: {duration!r}")
    return float(int(found[1]) * _UNITS[found[2]])


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


def _named(value: object) -> object:
    return (value,) if isinstance(value, str) else _listed(value)


_Item = TypeVar("_Item")
ListOf = Annotated[tuple[_Item, ...], BeforeValidator(_listed)]
Names = Annotated[tuple[Text, ...], BeforeValidator(_named)]
_Words = Annotated[int, Field(ge=1, le=5)]


class Part(BaseModel):
    """A part of what users commit."""

    # Strict, because DVC takes `true` for 1: what is of another type is refused, not converted.
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, strict=True)


class Metadata(Part):
    """What the model is called, and labels to find it by."""

    name: Name
    labels: dict[str, str] = {}


class Reader(Part):
    """How a text table is read."""

    separator: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = None
    """One character; None: a comma for CSV, a tab for TSV."""
    header: bool = True
    """Whether the first line names the columns."""
    names: ListOf[Text] = ()
    """Column names where there is no header; empty: `column_1`, `column_2`, …"""
    quote: Annotated[str, StringConstraints(min_length=1, max_length=1)] | None = '"'
    """The quoting character; None: quotes are ordinary characters."""
    nulls: ListOf[str] = ("",)
    """Spellings of a missing value."""
    encoding: Text = "utf-8"

    def names_of(self, width: int) -> list[str]:
        """Return what the columns of a table without a header are called."""
        return list(self.names) or [f"column_{i}" for i in range(1, width + 1)]


class Column(Part):
    """The contract of one column; what is not stated is inferred and pinned in the bundle."""

    type: ColumnType | None = None
    nullable: bool | None = None
    min: float | str | None = None
    """Least value; an ISO date for a datetime."""
    max: float | str | None = None
    """Greatest value; an ISO date for a datetime."""
    allowed: ListOf[Label] | None = None
    """All values that may stand here."""
    unique: bool = False
    nulls: ListOf[str] = ()
    """Further spellings of a missing value, in this column alone."""


class Split(Part):
    """Which rows are held out for the test."""

    method: Literal["random", "stratified", "time", "group"] = "random"
    test: Annotated[float, Field(gt=0, lt=1)] = 0.2
    """Share of the rows on the test side."""
    seed: Annotated[int, Field(ge=0)] = 0
    key: Names = ()
    """Columns that identify a row (random, stratified); empty: the features do."""
    column: Text | None = None
    """The column of the times or groups (time, group)."""


class DataSpec(Part):
    """Where the table comes from and what is in it."""

    source: Text = ""
    """A path in the repository, plain or DVC-tracked, or `sklearn:<dataset>`; left out when
    `stages` are adopted, for they read data of their own."""
    test: Text | None = None
    """Adopted `stages` only: the table of held-out rows, with the target, that the model is scored
    on. A file that the stages write, or one in the repository, plain or DVC-tracked."""
    format: Literal["csv", "tsv", "parquet", "jsonl"] | None = None
    """None: by the file's ending."""
    reader: Reader = Reader()
    target: Text = ""
    """The column to predict."""
    positive: Label | None = None
    """The positive class of two; None: the last in sorted order."""
    ignore: Names = ()
    """Columns that are no features."""
    columns: dict[Text, Column] = {}
    split: Split = Split()
    leakage: Literal["warn", "refuse"] = "warn"
    """What to do about columns that give the target away, are ids, or never change."""
    precision: Literal["float32", "float64"] = "float32"
    """Numbers are rounded to it wherever they enter, so that every client gets equal answers."""


class Numbers(Part):
    """How numeric columns are prepared."""

    impute: Literal["median", "mean", "most_frequent", "zero", "none"] = "median"
    scale: Literal["standard", "minmax", "robust", "none"] = "standard"


class Categories(Part):
    """How category columns are prepared."""

    encode: Literal["onehot", "ordinal"] = "onehot"
    min_frequency: Annotated[int, Field(ge=1)] = 1
    """Categories seen in fewer rows share one code."""


class TextColumns(Part):
    """How text columns become TF-IDF weights."""

    max_features: Annotated[int, Field(ge=1)] = 20_000
    ngrams: Annotated[tuple[_Words, _Words], BeforeValidator(_listed)] = (1, 1)
    """Shortest and longest run of words that counts as a term."""
    sublinear: bool = False


class Dates(Part):
    """Which parts of a datetime become features."""

    parts: ListOf[Literal["year", "month", "day", "weekday", "hour", "minute"]] = (
        "year",
        "month",
        "day",
        "weekday",
        "hour",
    )


class Preprocessing(Part):
    """What happens to the columns before the estimator sees them."""

    numbers: Numbers = Numbers()
    categories: Categories = Categories()
    text: TextColumns = TextColumns()
    dates: Dates = Dates()
    drop: Names = ()
    """Features that the estimator does not see."""


class TrainingSpec(Part):
    """How the model is fitted."""

    estimator: Text | None = None
    """Import path within the allow-list, such as `sklearn.linear_model.Ridge`."""
    entrypoint: Text | None = None
    """`path/in/repo.py:function`, which returns an unfitted scikit-learn compatible estimator."""
    deps: Names = ()
    """Further files that the entrypoint imports."""
    stages: Names = ()
    """Stages of the repository's own dvc.yaml that train the model, instead of an estimator."""
    model: Text | None = None
    """The file in which the `stages` leave the fitted model: pickle, joblib, skops or ONNX."""
    metrics_file: Text | None = None
    """A file of metrics that the `stages` write (JSON, YAML or TOML), judged where `data.test`
    cannot be given: the verdict is then self-reported."""
    hyperparameters: dict[str, Any] = {}
    preprocessing: Literal["auto", "none"] | Preprocessing = "auto"
    task: Literal["regression", "classification"] | None = None
    """Given with an entrypoint; an estimator says it by itself, and so does an adopted model."""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    threads: Annotated[int, Field(ge=1, le=256)] = 1
    timeout: Duration | None = None
    """Bound on all stages together; no part of what decides the artifact."""

    @property
    def adopts(self) -> bool:
        """Whether the model comes from stages of the repository's own dvc.yaml."""
        return bool(self.stages)


class PackagingSpec(Part):
    """The form of the bundle."""

    format: Literal["auto", "onnx", "native"] = "auto"
    """`auto`: ONNX where it gives the same answers, else the native form."""


class Rule(Part):
    """One condition that a version must meet to be released."""

    metric: Text
    min: float | None = None
    max: float | None = None
    slice: Text | None = None
    """A column: the rule holds for every one of its values with enough rows."""
    min_support: Annotated[int, Field(ge=1)] = 30
    """Fewest rows of a slice that is judged."""
    compare: Literal["champion"] | None = None
    margin: float | str = "1%"
    """How much worse than the champion still passes: per cent of its value, or absolute."""
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


#: Per cent of the traffic that a canary gets whose spec does not say.
STEPS: Final = (10, 50)


class Rollout(Part):
    """How a new version takes over the traffic."""

    strategy: Literal["immediate", "canary", "shadow", "blue_green"] = "immediate"
    steps: ListOf[Annotated[int, Field(ge=1, le=100)]] = ()
    """Per cent of the traffic at each step of a canary, after the last of which the new version
    has all of it; default: 10, then 50."""
    hold: Duration = "10m"
    """How long each step lasts at least; for blue_green, how long the former version is kept."""
    min_requests: Annotated[int, Field(ge=0, le=1_000_000_000)] = 100
    """Requests that the new version must have had at each step before the next one."""
    max_error_rate: Annotated[float, Field(ge=0, lt=1)] | None = 0.01
    """Share of its requests on which the new version may fail; None: not looked at."""
    max_latency_ratio: Annotated[float, Field(ge=1, le=1000)] | None = 3.0
    """Times the champion's 90th percentile of latency: of the new version's answers, no more than
    a tenth may take longer; None: not looked at."""
    max_disagreement: Annotated[float, Field(ge=0, lt=1)] | None = None
    """Share of the requests on which both may give other answers; None: not looked at."""
    deadline: Duration | None = None
    """How long a step may wait for its requests; None: as long as it takes."""
    on_deadline: Literal["hold", "promote", "withdraw"] = "hold"
    """What becomes of a version that had too few requests by then."""

    @model_validator(mode="before")
    @classmethod
    def _stepwise(cls, value: Any) -> Any:
        """Give a canary its steps."""
        if isinstance(value, dict) and value.get("strategy") == "canary" and not value.get("steps"):
            return {**value, "steps": list(STEPS)}
        return value


class DeploymentSpec(Part):
    """Where the model is served, and what happens when it falls out of policy."""

    target: Text = "directory"
    rollout: Rollout | None = None
    on_violation: Literal["hold", "rollback"] = "hold"
    """What to do when the champion fails rules that became stricter."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 10
    """Versions kept on record."""


class Spec(Part):
    """What is declared."""

    data: DataSpec = DataSpec()
    training: TrainingSpec
    packaging: PackagingSpec = PackagingSpec()
    acceptance: Annotated[ListOf[Rule], Field(min_length=1)]
    deployment: DeploymentSpec = DeploymentSpec()


class ModelSpec(Part):
    """One model, as `specs/<name>.yaml` declares it."""

    api_version: Literal["reconciler/v1"] = Field(alias="apiVersion")
    kind: Literal["Model"]
    metadata: Metadata
    spec: Spec

    @property
    def name(self) -> str:
        """The model's name, also that of its file."""
        return self.metadata.name
