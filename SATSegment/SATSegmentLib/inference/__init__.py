"""The predictor: an image once, prompts as often as wanted."""

from .feature_store import FeatureStore
from .predictor import ClassResult, Predictor

__all__ = ["ClassResult", "FeatureStore", "Predictor"]
