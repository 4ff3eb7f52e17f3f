"""The context of a stage: the spec and settings as they stand on disk, checked to be in step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from reconciler.adapters.runtime import installed
from reconciler.core import compilation
from reconciler.core.runtime import mismatches
from reconciler.errors import SpecError
from reconciler.spec import yaml
from reconciler.spec.defaults import with_defaults
from reconciler.spec.model import (
    DataSpec,
    Metadata,
    ModelSpec,
    PackagingSpec,
    Spec,
    TrainingSpec,
)
from reconciler.spec.params import Params

if TYPE_CHECKING:
    from pathlib import Path

_T = TypeVar("_T", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Context:
    """What a stage works from."""

    name: str
    root: Path
    """The folder that every path of the spec starts from."""
    spec: ModelSpec
    """With every default resolved."""
    params: Params
    folders: tuple[str, ...] = ()
    """Adopted models: where the user's own stages find their modules."""
    writers: tuple[str, ...] = ()
    """Adopted models: the stages that write the model file."""

    @property
    def prepared(self) -> Path:
        """The folder of the held-out rows."""
        return self.root / self._places.prepared

    @property
    def bundle(self) -> Path:
        """The folder of the bundle."""
        return self.root / self._places.bundle

    @property
    def report(self) -> Path:
        """The folder of predictions, metrics and plot."""
        return self.root / self._places.report

    @property
    def _places(self) -> compilation.Places:
        return compilation.places(self.name, adopted=self.spec.spec.training.adopts)


def load(name: str, root: Path) -> Context:
    """Return the context of model `name` below `root`.

    The catalogue of estimators is not asked: what is wrong with a spec is said by `validate`.

    Raises:
        SpecError: A file is missing or is not what it should be; `OutOfStep`: params.yaml was
            not compiled after the last change; `RuntimeMismatch`: the installed libraries are
            not the declared ones.
    """
    request = f"{compilation.ADOPTED}/{name}/request.json"
    if (root / request).is_file():
        return _adopted(name, root, _document(root, request))
    path = compilation.spec_path(name)
    params = _validated(Params, _document(root, compilation.PARAMS), compilation.PARAMS)
    raw = _document(root, path)
    spec = _validated(ModelSpec, with_defaults(raw, params.defaults), path)
    if spec.name != name:
        raise SpecError(f"{path}: metadata.name is {spec.name}, and the file is {name}.yaml")
    _check_runtime(params)
    _check_line(root, spec, raw, params)
    return Context(name=name, root=root, spec=spec, params=params)


def _adopted(name: str, root: Path, request: Mapping[str, Any]) -> Context:
    """Return the context of an adopted model: what it is asked stands in one file, resolved."""
    sections: Any = {
        "data": DataSpec.model_validate(request["data"]),
        "training": TrainingSpec.model_validate(request["training"]),
        "packaging": PackagingSpec.model_validate(request["packaging"]),
        "acceptance": (),  # nothing is judged here
    }
    spec = ModelSpec.model_construct(
        api_version="reconciler/v1",
        kind="Model",
        metadata=Metadata(name=name),
        spec=Spec.model_construct(**sections),
    )
    params = Params(runtime=request["runtime"])
    _check_runtime(params)
    folders, writers = tuple(request["folders"]), tuple(request["writers"])
    return Context(name, root, spec, params, folders, writers)


def _document(root: Path, path: str) -> dict[str, Any]:
    try:
        text = (root / path).read_bytes()
    except FileNotFoundError as error:
        raise SpecError(f"{path} is not there", reason="SpecMissing") from error
    data = yaml.load(text, path).data
    if not isinstance(data, dict):
        raise SpecError(f"{path} holds no mapping")
    return data


def _validated(kind: type[_T], data: Mapping[str, Any], path: str) -> _T:
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        message = f"{path}: {'; '.join(problems)}"
        raise SpecError(message, hint="run `reconciler validate`") from error


def _check_runtime(params: Params) -> None:
    found = mismatches(params.runtime, installed(params.runtime))
    if found:
        message = f"not the declared runtime: {', '.join(map(str, found))}"
        hint = "install what params.yaml declares, or declare what is installed and compile"
        raise SpecError(message, reason="RuntimeMismatch", hint=hint)


def _check_line(root: Path, spec: ModelSpec, raw: Mapping[str, Any], params: Params) -> None:
    deps = {path: _blob(root, path) for path in spec.spec.training.deps}
    if params.models.get(spec.name) != compilation.line(spec, raw, params, deps):
        message = f"the line of {spec.name} in params.yaml is out of step with its spec"
        raise SpecError(message, reason="OutOfStep", hint="run `reconciler compile`")


def _blob(root: Path, path: str) -> str:
    try:
        return compilation.blob_id((root / path).read_bytes())
    except OSError as error:
        raise SpecError(f"training.deps: {path} cannot be read: {error.strerror}") from error
