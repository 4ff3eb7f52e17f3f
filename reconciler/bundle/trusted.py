"""The types that a native bundle may hold beyond skops' own list: reviewed, and nothing more.

skops restores an object by `__new__` and its attributes, or by the reduced arguments of an
extension type. Each type below was read for what that runs: none opens a file, starts a process,
imports by name or calls what it is given. The extension types (marked) take their arrays
without checking every index, so a forged bundle could crash its reader, but not run code in it.
"""

from __future__ import annotations

_KERNELS = (
    "CompoundKernel",
    "ConstantKernel",
    "DotProduct",
    "Exponentiation",
    "ExpSineSquared",
    "Matern",
    "Product",
    "RationalQuadratic",
    "RBF",
    "Sum",
    "WhiteKernel",
)
_DISTANCES = (
    "ChebyshevDistance64",
    "EuclideanDistance64",
    "ManhattanDistance64",
    "MinkowskiDistance64",
)

TRUSTED = (
    "numpy.dtype",
    "sklearn._loss.loss.HalfTweedieLoss",
    "sklearn._loss.loss.HalfTweedieLossIdentity",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # extension
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    *(f"sklearn.gaussian_process.kernels.{name}" for name in _KERNELS),
    *(f"sklearn.metrics._dist_metrics.{name}" for name in _DISTANCES),  # extension
    "sklearn.neighbors._ball_tree.BallTree",  # extension
    "sklearn.neighbors._kd_tree.KDTree",  # extension
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
    "sklearn.tree._tree.Tree",  # extension
)
