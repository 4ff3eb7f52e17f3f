"""params.yaml: the fleet's defaults, its runtime and allow-list, and the map that DVC reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


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
    models: dict[str, dict[str, str]] = {}
    """What `reconciler compile` writes for DVC: one line per model."""
