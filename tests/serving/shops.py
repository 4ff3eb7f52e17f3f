"""An application with models made by hand, in this process: `stay` of every type, `flower`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import numpy.typing as npt

from reconciler.bundle.golden import Examples
from reconciler.bundle.manifest import Manifest
from reconciler.bundle.predictor import Predictor
from reconciler.bundle.signature import Column, Input, Signature, Tensor, Type
from reconciler.serving.answering import Answering
from reconciler.serving.app import App
from reconciler.serving.house import House
from reconciler.serving.limits import Limits
from reconciler.serving.loaded import Loaded
from reconciler.serving.meter import Meter
from reconciler.serving.shop import Shop
from reconciler.serving.table import Entry, Route, Table
from reconciler.serving.tallies import Tallies

STAY = {
    "age": 40.5, "nights": 3, "city": "Oslo", "note": "sea view", "member": True,
    "arrives": "2024-05-01T12:00:00",
}  # fmt: skip
FLOWER = {"petal length": 1.5, "petal width": 0.25}
EXAMPLES = {
    "stay": Examples((STAY,), (300.0,), None),
    "flower": Examples((FLOWER,), ("setosa",), ((0.75, 0.25),)),
}

Array = npt.NDArray[Any]


class Stay:
    """100 for each night."""

    def run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        return [tensors["numbers"][:, 1] * 100.0]


class Flower:
    """The second class where the first number is above 2."""

    def run(self, tensors: dict[str, Array]) -> Sequence[Array]:
        second = (tensors["numbers"][:, 0] > 2).astype(np.int64)
        likely = 0.25 + 0.5 * second
        return [second, np.stack([1 - likely, likely], axis=1)]


def stay() -> Signature:
    """The signature of a regression of one field of each type; `age` may be missing."""
    city = ("Oslo", "Rome", 'the "Hague"')
    inputs = (
        Input(name="age", type="number", nullable=True, null="NaN"),
        _input("nights", "integer"),
        _input("city", "category", city),
        _input("note", "text"),
        _input("member", "boolean"),
        _input("arrives", "datetime"),
    )
    numbers = (
        Column(name="age", input="age", rounded=True),
        Column(name="nights", input="nights"),
        Column(name="member", input="member"),
        Column(name="arrives_year", input="arrives", part="year"),
    )
    return Signature(
        model="stay", task="regression", form="onnx", precision="float32", inputs=inputs,
        tensors=(
            Tensor(name="numbers", dtype="float64", columns=numbers),
            Tensor(name="city", dtype="string", columns=(Column(name="city", input="city"),)),
            Tensor(
                name="note", dtype="string", columns=(Column(name="note", input="note"),),
                words=True,
            ),
        ),
        target="price",
    )  # fmt: skip


def flower() -> Signature:
    """The signature of a classifier of two numbers."""
    inputs = tuple(_input(name, "number") for name in FLOWER)
    columns = tuple(Column(name=item.name, input=item.name, rounded=True) for item in inputs)
    return Signature(
        model="flower", task="binary", form="onnx", precision="float32", inputs=inputs,
        tensors=(Tensor(name="numbers", dtype="float64", columns=columns),),
        target="kind", classes=("setosa", "virginica"), positive="virginica", probabilities=True,
    )  # fmt: skip


def _input(name: str, kind: Type, allowed: tuple[str, ...] | None = None) -> Input:
    return Input(name=name, type=kind, nullable=False, null=None, allowed=allowed)


def loaded(entry: Entry, sign: Signature, model: Any) -> Loaded:
    """Return a version in memory that has no files."""
    manifest = Manifest(
        format=1, model=sign.model, form="onnx", form_reason="made by hand", files={},
        runtime={}, seed=0, inputs="0" * 64,
    )  # fmt: skip
    return Loaded(entry, Predictor(manifest, sign, model), EXAMPLES[sign.model])


class Bench:
    """An application, and a client of it."""

    def __init__(self, limits: Limits, apart: ThreadPoolExecutor, **parts: Any) -> None:
        self.house = House(self._load)
        self.tallies = Tallies()
        self.ended: list[str] = []
        answering = Answering(self.house, self.tallies, apart, self._observe, limits.seconds)
        self.meter = Meter()
        parts = {"meter": self.meter, "reload": self._reload, **parts}
        self.shop = Shop(self.house, answering, self._summed, limits, **parts)
        self.app = App(self.shop)

    def serve(self, **versions: int) -> None:
        """Serve these models, at these versions."""
        routes = {
            name: Route(name, Entry(number, f"{number:032x}.dir", name))
            for name, number in versions.items()
        }
        asyncio.run(self.house.follow(Table("c", routes)))

    async def _load(self, entry: Entry) -> Loaded:
        sign, model = (stay(), Stay()) if entry.folder == "stay" else (flower(), Flower())
        return loaded(entry, sign, model)

    def _observe(self, model: str, version: str, outcome: str, seconds: float, rows: int) -> None:
        self.ended.append(outcome)
        self.meter.observe(model, version, outcome, seconds, rows)

    async def _summed(self, what: str) -> Any:
        models = self.house.status()["models"]
        return {"models": models} if what == "status" else f"models {len(models)}\n"

    async def _reload(self, model: str, unless: str | None) -> dict[str, Any] | None:
        known = model in self.house.standings()
        return {"model": model, "done": unless is None} if known else None

    def ask(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Send one request."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app)
            async with httpx.AsyncClient(transport=transport, base_url="http://t") as client:
                return await client.request(method, path, timeout=10, **rest)

        return asyncio.run(send())

    def post(
        self, path: str, content: bytes | str, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Post a body as JSON."""
        headers = {"content-type": "application/json", **(headers or {})}
        return self.ask("POST", path, content=content, headers=headers)


@contextmanager
def open_bench(limits: Limits = Limits(), **parts: Any) -> Iterator[Bench]:  # noqa: B008  it is frozen
    """Give an application that serves `stay` and `flower`; `parts` are those of its shop."""
    with ThreadPoolExecutor(2) as apart:
        bench = Bench(limits, apart, **parts)
        bench.serve(stay=1, flower=2)
        yield bench
