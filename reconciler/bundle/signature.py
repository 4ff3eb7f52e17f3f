"""The signature: what a bundle takes, what it answers, and how a row becomes its tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, StrictBool, StrictFloat, StrictInt, StrictStr

if TYPE_CHECKING:
    from pathlib import Path

Type = Literal["number", "integer", "category", "text", "boolean", "datetime"]
Part = Literal["year", "month", "day", "weekday", "hour", "minute", "dayofyear", "epoch"]
Task = Literal["regression", "binary", "multiclass"]
Form = Literal["onnx", "native"]
Label = StrictBool | StrictInt | StrictStr | StrictFloat

FILE = "signature.json"
#: The outputs of model.onnx: a number or the index of a class, and (n, classes) probabilities.
PREDICTION, PROBABILITIES = "prediction", "probabilities"
#: How a missing text or category enters a string tensor; the empty text is the same thing.
NO_TEXT = ""


class Value(BaseModel):
    """A frozen part of a signature; unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Input(Value):
    """One feature, as a client sends it."""

    name: str
    type: Type
    nullable: bool
    null: Literal["NaN", ""] | None
    """What stands for a missing value in the tensors; None: a missing value is refused."""
    allowed: tuple[Label, ...] | None = None
    """The values that the data contract allows; None: any."""


class Column(Value):
    """One column of a tensor: a feature, or one part of a datetime feature."""

    name: str
    input: str
    part: Part | None = None
    rounded: bool = False
    """Whether the value is rounded to float32 on its way in."""


class Tensor(Value):
    """One input of the model: shape (rows, columns), float64 or string."""

    name: str
    dtype: Literal["float64", "string"]
    columns: tuple[Column, ...]
    words: bool = False
    """Whether the only column is a text, given as its words: shape (rows, most words)."""


class Signature(Value):
    """What `signature.json` states.

    `classes` is in the order of the probabilities; for a classifier the model itself answers
    the index of a class. `positive` is the class that binary metrics count.
    """

    model: str
    task: Task
    form: Form
    precision: Literal["float32", "float64"]
    inputs: tuple[Input, ...]
    tensors: tuple[Tensor, ...]
    target: str
    classes: tuple[Label, ...] | None = None
    positive: Label | None = None
    probabilities: bool = False

    def input(self, name: str) -> Input:
        """Return the input called `name`; KeyError when there is none."""
        for item in self.inputs:
            if item.name == name:
                return item
        raise KeyError(name)


def read(directory: Path) -> Signature:
    """Return the signature of the bundle in `directory`; ValueError when it is not one."""
    return Signature.model_validate_json((directory / FILE).read_bytes())
