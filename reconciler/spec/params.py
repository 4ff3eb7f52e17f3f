"""params.yaml: the fleet's defaults, its runtime and allow-list, and the map that DVC reads."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.spec.model import Duration, ListOf, Names, Part, Text


class FreezeWindow(Part):
    """A time, coming again and again, in which releases wait or outside of which they do."""

    kind: Literal["allow", "deny"]
    cron: Text
    """When it begins: minute, hour, day of the month, month, day of the week."""
    duration: Duration
    """How long it lasts, a year at most."""
    timezone: Text = "UTC"
    """The zone of `cron`, such as `Europe/Berlin`."""
    models: Names = ()
    """Patterns of the models that it concerns, such as `churn-*`; empty: all."""


class Guard(Part):
    """How much of what is in production one commit may change; both must be exceeded."""

    share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the models in production."""
    count: Annotated[int, Field(ge=0)] = 10
    """Models."""


class Params(BaseModel):
    """What the reconciler reads of params.yaml; other top-level keys are the user's own."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    api_version: Literal["reconciler/v1"] = Field("reconciler/v1", alias="apiVersion")
    allow: tuple[str, ...] = ("sklearn.",)
    """Prefixes of import paths that a spec may name as its estimator."""
    defaults: dict[str, Any] = {}
    """A partial `spec:` tree, merged under every spec: a spec's own word wins."""
    runtime: dict[str, str] = {}
    """Library to version prefix, such as `1.9`; `python` is checked only where it stands here."""
    targets: dict[str, dict[str, Any]] = {}
    """Settings by target, such as `directory: {root: releases}`."""
    freeze: ListOf[FreezeWindow] = ()
    """When releases wait."""
    guard: Guard = Guard()
    """When a commit that changes much must be allowed first."""
    models: dict[str, dict[str, str]] = {}
    """What `reconciler compile` writes for DVC: one line per model."""
