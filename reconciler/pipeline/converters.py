"""What skl2onnx does not convert exactly in double precision, mended by converters of our own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from reconciler.pipeline import texts, trees
from reconciler.pipeline.emitter import INT64, Emitter, Inconvertible

Floats = npt.NDArray[np.float64]


@cache
def register() -> None:
    """Make skl2onnx use the converters of this module and of `trees`."""
    from skl2onnx import update_registered_converter
    from sklearn import discriminant_analysis, ensemble, impute, linear_model, preprocessing, svm
    from sklearn import tree as single
    from sklearn.feature_extraction import text

    options = {
        "zipmap": [True, False, "columns"],
        "raw_scores": [True, False],
        "output_class_labels": [False, True],
        "nocl": [True, False],
    }
    regressors = {
        trees.forest_regressor: (
            single.DecisionTreeRegressor,
            single.ExtraTreeRegressor,
            ensemble.RandomForestRegressor,
            ensemble.ExtraTreesRegressor,
        ),
        trees.boosting_regressor: (ensemble.GradientBoostingRegressor,),
        trees.histogram_regressor: (ensemble.HistGradientBoostingRegressor,),
        support_vector_regressor: (svm.SVR, svm.NuSVR),
    }
    classifiers = {
        trees.forest_classifier: (
            single.DecisionTreeClassifier,
            single.ExtraTreeClassifier,
            ensemble.RandomForestClassifier,
            ensemble.ExtraTreesClassifier,
        ),
        trees.boosting_classifier: (ensemble.GradientBoostingClassifier,),
        trees.histogram_classifier: (ensemble.HistGradientBoostingClassifier,),
        linear_classifier: (
            svm.LinearSVC,
            linear_model.RidgeClassifier,
            linear_model.RidgeClassifierCV,
        ),
        linear_probabilities: (discriminant_analysis.LinearDiscriminantAnalysis,),
    }
    for converter, models in regressors.items():
        for model in models:
            update_registered_converter(model, f"Exact{model.__name__}", answers_numbers, converter)
    for converter, models in classifiers.items():
        for model in models:
            alias = f"Exact{model.__name__}"
            update_registered_converter(model, alias, answers_classes, converter, options=options)
    transformers = (
        (text.TfidfVectorizer, texts.answers_features, texts.tfidf),
        (impute.SimpleImputer, same_width, imputer),
        (preprocessing.OneHotEncoder, one_for_each_level, one_hot_encoder),
        (preprocessing.OrdinalEncoder, same_width, ordinal_encoder),
    )
    for model, shape, converter in transformers:
        alias = f"Exact{model.__name__}"
        update_registered_converter(model, alias, shape, converter, parser=_answers_doubles)


def _answers_doubles(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:  # noqa: ARG001
    """Declare a transformer that answers doubles: skl2onnx guesses float32 for texts."""
    from skl2onnx.common.data_types import DoubleTensorType

    operator = scope.declare_local_operator(f"Exact{type(model).__name__}", model)
    operator.inputs = inputs
    operator.outputs.append(scope.declare_local_variable("variable", DoubleTensorType()))
    return operator.outputs


def answers_numbers(operator: Any) -> None:
    """State that an operator answers one double for each row."""
    from skl2onnx.common.data_types import DoubleTensorType

    operator.outputs[0].type = DoubleTensorType([None, 1])


def answers_classes(operator: Any) -> None:
    """State that an operator answers a class for each row, and a double for each class."""
    from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType

    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type = DoubleTensorType([None, len(operator.raw_operator.classes_)])


def same_width(operator: Any) -> None:
    """State that an operator answers doubles, as many columns as it takes."""
    from skl2onnx.common.data_types import DoubleTensorType

    width = sum(variable.get_second_dimension() for variable in operator.inputs)
    operator.outputs[0].type = DoubleTensorType([None, width])


def imputer(scope: Any, operator: Any, container: Any) -> None:
    """Convert an imputer of numbers whose missing value is NaN."""
    emitter = Emitter(scope, operator, container)
    model = emitter.model
    statistics = np.asarray(model.statistics_, dtype=np.float64)
    plain = isinstance(model.missing_values, float) and np.isnan(model.missing_values)
    if not plain or model.add_indicator or np.isnan(statistics).any():
        raise Inconvertible("the imputer drops or adds columns, or fills other values")
    features = emitter.features()
    missing = emitter.op("IsNaN", [features])
    emitter.answer(emitter.op("Where", [missing, emitter.constant(statistics), features]))


def one_for_each_level(operator: Any) -> None:
    """State that an operator answers a double for each level that an encoder kept."""
    from skl2onnx.common.data_types import DoubleTensorType

    operator.outputs[0].type = DoubleTensorType([None, len(_kept(operator.raw_operator))])


def _kept(model: Any) -> list[int]:
    """Return which of all the levels of a one-hot encoder, side by side, have a column."""
    dropped, kept, first = model.drop_idx_, [], 0
    for index, levels in enumerate(model.categories_):
        without = None if dropped is None else dropped[index]
        kept += [first + place for place in range(len(levels)) if place != without]
        first += len(levels)
    return kept


def one_hot_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Convert a one-hot encoder of texts."""
    emitter = Emitter(scope, operator, container)
    model = emitter.model
    source = _texts(operator)
    if getattr(model, "_infrequent_enabled", False):
        raise Inconvertible("the encoder groups infrequent categories")
    zeros = int(model.handle_unknown == "ignore")
    encoded = []
    for index, levels in enumerate(model.categories_):
        column = emitter.op("Gather", [source, emitter.integers(index)], axis=1)
        names = [str(level).encode() for level in levels]
        encoded.append(
            emitter.op(
                "OneHotEncoder", [column], domain="ai.onnx.ml", cats_strings=names, zeros=zeros
            )
        )
    joined = encoded[0] if len(encoded) == 1 else emitter.op("Concat", encoded, axis=2)
    total = sum(map(len, model.categories_))
    flat = emitter.op("Reshape", [joined, emitter.integers(-1, total)])
    kept = _kept(model)
    if len(kept) < total:
        flat = emitter.op("Gather", [flat, emitter.integers(*kept)], axis=1)
    emitter.answer(flat)


def _texts(operator: Any) -> str:
    """Return the name of the only input of an encoder, which holds texts."""
    from skl2onnx.common.data_types import StringTensorType

    if len(operator.inputs) != 1 or not isinstance(operator.inputs[0].type, StringTensorType):
        raise Inconvertible("the encoder takes several inputs, or numbers")
    name: str = operator.inputs[0].full_name
    return name


def ordinal_encoder(scope: Any, operator: Any, container: Any) -> None:
    """Convert an encoder of texts as numbers, in which unknown texts have a number of their own."""
    emitter = Emitter(scope, operator, container)
    model = emitter.model
    if model.handle_unknown != "use_encoded_value" or model.unknown_value != model.unknown_value:
        raise Inconvertible("the encoder refuses unknown categories, or answers NaN")
    source = _texts(operator)
    encoded = []
    for index, levels in enumerate(model.categories_):
        column = emitter.op("Gather", [source, emitter.integers(index)], axis=1)
        number = emitter.op(
            "LabelEncoder",
            [column],
            domain="ai.onnx.ml",
            keys_strings=[str(level).encode() for level in levels],
            values_int64s=list(range(len(levels))),
            default_int64=int(model.unknown_value),
        )
        encoded.append(number)
    emitter.answer(encoded[0] if len(encoded) == 1 else emitter.op("Concat", encoded, axis=1))


def linear_classifier(scope: Any, operator: Any, container: Any) -> None:
    """Convert a linear classifier that has scores but no probabilities."""
    emitter = Emitter(scope, operator, container)
    index, scores = _linear(emitter)
    if len(emitter.model.classes_) == 2:
        scores = emitter.op("Concat", [emitter.op("Neg", [scores]), scores], axis=1)
    emitter.classify(index, scores)


def linear_probabilities(scope: Any, operator: Any, container: Any) -> None:
    """Convert a linear classifier whose probabilities are the sigmoid or softmax of its scores."""
    emitter = Emitter(scope, operator, container)
    index, scores = _linear(emitter)
    if len(emitter.model.classes_) > 2:
        emitter.classify(index, emitter.op("Softmax", [scores], axis=1))
        return
    positive = emitter.op("Sigmoid", [scores])
    negative = emitter.op("Sub", [emitter.doubles(1.0), positive])
    emitter.classify(index, emitter.op("Concat", [negative, positive], axis=1))


def _linear(emitter: Emitter) -> tuple[str, str]:
    """Return the index of the class, and the scores: one column for two classes."""
    model = emitter.model
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    bias = np.broadcast_to(np.asarray(model.intercept_, dtype=np.float64), weights.shape[1])
    product = emitter.op("MatMul", [emitter.features(), emitter.constant(weights)])
    scores = emitter.op("Add", [product, emitter.constant(bias)])
    if weights.shape[1] > 1:
        return emitter.op("ArgMax", [scores], axis=1, keepdims=0), scores
    flat = emitter.op("Reshape", [scores, emitter.integers(-1)])
    above = emitter.op("Greater", [flat, emitter.doubles(0.0)])
    return emitter.cast(above, INT64), scores


def support_vector_regressor(scope: Any, operator: Any, container: Any) -> None:
    """Convert a support vector regression: its kernel against every support vector."""
    emitter = Emitter(scope, operator, container)
    model = emitter.model
    if model.kernel not in _KERNELS or not isinstance(model.support_vectors_, np.ndarray):
        raise Inconvertible(f"the kernel {model.kernel} over these features")
    vectors = np.asarray(model.support_vectors_, dtype=np.float64)
    weights = np.asarray(model.dual_coef_, dtype=np.float64).T
    kernel = _KERNELS[model.kernel](emitter, emitter.features(), vectors)
    product = emitter.op("MatMul", [kernel, emitter.constant(weights)])
    bias = np.asarray(model.intercept_, dtype=np.float64)
    emitter.answer(emitter.op("Add", [product, emitter.constant(bias)]))


def _scaled_product(emitter: Emitter, features: str, vectors: Floats) -> str:
    product = emitter.op("MatMul", [features, emitter.constant(vectors.T)])
    model = emitter.model
    scaled = emitter.op("Mul", [product, emitter.doubles(model._gamma)])
    return emitter.op("Add", [scaled, emitter.doubles(model.coef0)])


def _linear_kernel(emitter: Emitter, features: str, vectors: Floats) -> str:
    return emitter.op("MatMul", [features, emitter.constant(vectors.T)])


def _polynomial_kernel(emitter: Emitter, features: str, vectors: Floats) -> str:
    degree = emitter.doubles(emitter.model.degree)
    return emitter.op("Pow", [_scaled_product(emitter, features, vectors), degree])


def _sigmoid_kernel(emitter: Emitter, features: str, vectors: Floats) -> str:
    return emitter.op("Tanh", [_scaled_product(emitter, features, vectors)])


def _radial_kernel(emitter: Emitter, features: str, vectors: Floats) -> str:
    """exp(-gamma |x - v|^2), the square as x.x - 2 x.v + v.v."""
    axis = emitter.integers(1)
    squares = emitter.op("ReduceSumSquare", [features, axis], keepdims=1)
    product = emitter.op("MatMul", [features, emitter.constant(-2.0 * vectors.T)])
    lengths = emitter.constant((vectors**2).sum(axis=1))
    distance = emitter.op("Add", [emitter.op("Add", [squares, product]), lengths])
    gamma = emitter.doubles(-emitter.model._gamma)
    return emitter.op("Exp", [emitter.op("Mul", [distance, gamma])])


_KERNELS = {
    "linear": _linear_kernel,
    "poly": _polynomial_kernel,
    "rbf": _radial_kernel,
    "sigmoid": _sigmoid_kernel,
}
