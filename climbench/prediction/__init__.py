"""From a model to a store of predictions: direct, continuous, iterative."""

from climbench.prediction.predict import predict

__all__ = ["predict"]
