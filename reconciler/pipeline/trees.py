"""Trees in ONNX, exactly: thresholds, leaves and sums in double precision.

skl2onnx writes trees with operators whose leaves and answers are float32, which is off by up to
4e-8 and moves ties; its histogram gradient boosting does not load at all. The TreeEnsemble
operator of ai.onnx.ml 5 is double throughout. It has one target per leaf, so a forest of
classifiers answers the numbers of the leaves, whose class shares are then looked up and summed
in scikit-learn's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.pipeline.emitter import DOUBLE, FLOAT, INT64, Emitter, Inconvertible

Floats = npt.NDArray[np.float64]
_LESS_OR_EQUAL = 0
_SUM = 1


@dataclass(frozen=True, slots=True)
class Tree:
    """One tree by arrays over its nodes; node 0 is the root, `left` of a leaf is -1."""

    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    feature: npt.NDArray[np.int64]
    threshold: Floats
    missing_left: npt.NDArray[np.bool_]
    value: Floats
    """The answer at every node; only those of leaves count."""
    target: int
    """Which column of the ensemble's answer the tree adds to."""


def tree_of(fitted: Any, value: Floats, target: int) -> Tree:
    """Return scikit-learn's `tree_`, with `value` at its nodes."""
    left = fitted.children_left.astype(np.int64)
    return Tree(
        left=left,
        right=fitted.children_right.astype(np.int64),
        feature=fitted.feature.astype(np.int64),
        threshold=fitted.threshold.astype(np.float64),
        missing_left=np.asarray(fitted.missing_go_to_left).astype(bool),
        value=value,
        target=target,
    )


def histogram_tree(predictor: Any, target: int) -> Tree:
    """Return one tree of a histogram gradient boosting.

    Raises:
        Inconvertible: A split is over categories.
    """
    nodes = predictor.nodes
    if nodes["is_categorical"].any():
        raise Inconvertible("a split is over categories")
    leaf = nodes["is_leaf"].astype(bool)
    return Tree(
        left=np.where(leaf, -1, nodes["left"].astype(np.int64)),
        right=np.where(leaf, -1, nodes["right"].astype(np.int64)),
        feature=nodes["feature_idx"].astype(np.int64),
        threshold=nodes["num_threshold"].astype(np.float64),
        missing_left=nodes["missing_go_to_left"].astype(bool),
        value=nodes["value"].astype(np.float64),
        target=target,
    )


def ensemble(emitter: Emitter, features: str, trees: list[Tree], targets: int) -> str:
    """Write the sum of `trees`, and return the name of the answer, shape (rows, targets)."""
    from onnx import TensorProto, helper

    nodes: dict[str, list[Any]] = {key: [] for key in _NODE_KEYS}
    leaves: dict[str, list[Any]] = {"weights": [], "targetids": []}
    roots = [_append(tree, nodes, leaves) for tree in trees]
    splits = helper.make_tensor(
        "splits", TensorProto.DOUBLE, [len(nodes["splits"])], nodes["splits"]
    )
    weights = helper.make_tensor(
        "weights", TensorProto.DOUBLE, [len(leaves["weights"])], leaves["weights"]
    )
    modes = np.full(len(nodes["splits"]), _LESS_OR_EQUAL, dtype=np.uint8)
    return emitter.op(
        "TreeEnsemble",
        [features],
        domain="ai.onnx.ml",
        aggregate_function=_SUM,
        post_transform=0,
        n_targets=targets,
        tree_roots=roots,
        nodes_splits=splits,
        nodes_modes=helper.make_tensor("modes", TensorProto.UINT8, [len(modes)], modes.tolist()),
        leaf_weights=weights,
        leaf_targetids=leaves["targetids"],
        **{f"nodes_{key}": nodes[key] for key in _NODE_KEYS if key != "splits"},
    )


_NODE_KEYS = (
    "featureids",
    "splits",
    "truenodeids",
    "trueleafs",
    "falsenodeids",
    "falseleafs",
    "missing_value_tracks_true",
)


def _append(tree: Tree, nodes: dict[str, list[Any]], leaves: dict[str, list[Any]]) -> int:
    """Add a tree's nodes and leaves to those of the ensemble, and return its root's index."""
    base, leaf_base = len(nodes["splits"]), len(leaves["weights"])
    inner = np.flatnonzero(tree.left >= 0)
    ends = np.flatnonzero(tree.left < 0)
    place = np.empty(len(tree.left), dtype=np.int64)
    place[inner] = base + np.arange(len(inner))
    place[ends] = leaf_base + np.arange(len(ends))
    leaves["weights"] += tree.value[ends].tolist()
    leaves["targetids"] += [tree.target] * len(ends)
    if not len(inner):  # a tree that is one leaf: a node with that leaf on both sides
        for key, value in zip(_NODE_KEYS, (0, 0.0, leaf_base, 1, leaf_base, 1, 0), strict=True):
            nodes[key].append(value)
        return base
    nodes["featureids"] += tree.feature[inner].tolist()
    nodes["splits"] += tree.threshold[inner].tolist()
    for side, children in (("true", tree.left[inner]), ("false", tree.right[inner])):
        nodes[f"{side}nodeids"] += place[children].tolist()
        nodes[f"{side}leafs"] += (tree.left[children] < 0).astype(int).tolist()
    nodes["missing_value_tracks_true"] += tree.missing_left[inner].astype(int).tolist()
    return base


def single(emitter: Emitter) -> str:
    """Return the model's input as scikit-learn's trees see it: rounded to float32."""
    return emitter.cast(emitter.cast(emitter.features(), FLOAT), DOUBLE)


def forest_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Convert a decision tree or a forest for regression."""
    emitter = Emitter(scope, operator, container)
    members = getattr(emitter.model, "estimators_", [emitter.model])
    trees = [tree_of(m.tree_, m.tree_.value[:, 0, 0], 0) for m in members]
    total = ensemble(emitter, single(emitter), trees, 1)
    emitter.answer(emitter.op("Div", [total, emitter.doubles(len(members))]))


def forest_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Convert a decision tree or a forest for classification."""
    emitter = Emitter(scope, operator, container)
    members = getattr(emitter.model, "estimators_", [emitter.model])
    shares, trees, first = [], [], 0
    for index, member in enumerate(members):
        fitted = member.tree_
        numbers = np.arange(first, first + fitted.node_count, dtype=np.float64)
        trees.append(tree_of(fitted, numbers, index))
        shares.append(fitted.value[:, 0, :])
        first += fitted.node_count
    reached = ensemble(emitter, single(emitter), trees, len(members))
    table = emitter.constant(np.concatenate(shares))
    looked_up = emitter.op("Gather", [table, emitter.cast(reached, INT64)], axis=0)
    axis = emitter.integers(1)
    total = emitter.op("ReduceSum", [looked_up, axis], keepdims=0)
    mean = emitter.op("Div", [total, emitter.doubles(len(members))])
    emitter.classify(emitter.op("ArgMax", [mean], axis=1, keepdims=0), mean)


def boosting_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Convert a gradient boosting for regression."""
    emitter = Emitter(scope, operator, container)
    emitter.answer(_boosted(emitter))


def boosting_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Convert a gradient boosting for classification."""
    emitter = Emitter(scope, operator, container)
    raw = _boosted(emitter)
    if emitter.model.n_trees_per_iteration_ > 1:
        scores = emitter.op("Softmax", [raw], axis=1)
        emitter.classify(emitter.op("ArgMax", [raw], axis=1, keepdims=0), scores)
        return
    exponential = emitter.model.loss == "exponential"
    scaled = emitter.op("Mul", [raw, emitter.doubles(2.0)]) if exponential else raw
    _two_classes(emitter, raw, emitter.op("Sigmoid", [scaled]), "GreaterOrEqual")


def _boosted(emitter: Emitter) -> str:
    model = emitter.model
    constant = model.init_ == "zero" or type(model.init_).__name__.startswith("Dummy")
    if not constant:
        raise Inconvertible("the boosting starts from an estimator of its own")
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))[0]
    trees = [
        tree_of(member.tree_, model.learning_rate * member.tree_.value[:, 0, 0], target)
        for stage in model.estimators_
        for target, member in enumerate(stage)
    ]
    total = ensemble(emitter, single(emitter), trees, len(start))
    return emitter.op("Add", [total, emitter.constant(np.asarray(start, dtype=np.float64))])


def histogram_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Convert a histogram gradient boosting for regression."""
    emitter = Emitter(scope, operator, container)
    raw = _histogram(emitter)
    link = type(emitter.model._loss.link).__name__
    if link not in {"IdentityLink", "LogLink"}:
        raise Inconvertible(f"the loss has the link {link}")
    emitter.answer(emitter.op("Exp", [raw]) if link == "LogLink" else raw)


def histogram_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Convert a histogram gradient boosting for classification."""
    emitter = Emitter(scope, operator, container)
    raw = _histogram(emitter)
    if emitter.model.n_trees_per_iteration_ > 1:
        scores = emitter.op("Softmax", [raw], axis=1)
        emitter.classify(emitter.op("ArgMax", [raw], axis=1, keepdims=0), scores)
        return
    _two_classes(emitter, raw, emitter.op("Sigmoid", [raw]), "Greater")


def _histogram(emitter: Emitter) -> str:
    model = emitter.model
    if getattr(model, "_preprocessor", None) is not None:
        raise Inconvertible("the boosting encodes categories by itself")
    trees = [
        histogram_tree(predictor, target)
        for stage in model._predictors
        for target, predictor in enumerate(stage)
    ]
    start = np.asarray(model._baseline_prediction, dtype=np.float64).ravel()
    total = ensemble(emitter, emitter.features(), trees, len(start))
    return emitter.op("Add", [total, emitter.constant(start)])


def _two_classes(emitter: Emitter, raw: str, positive: str, comparison: str) -> None:
    """Answer the second class where `raw` compares to zero, and the shares of both."""
    zero, one = emitter.doubles(0.0), emitter.doubles(1.0)
    flat = emitter.op("Reshape", [raw, emitter.integers(-1)])
    index = emitter.cast(emitter.op(comparison, [flat, zero]), INT64)
    negative = emitter.op("Sub", [one, positive])
    emitter.classify(index, emitter.op("Concat", [negative, positive], axis=1))
