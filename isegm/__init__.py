"""isegm: click-based interactive image segmentation, one trainer, one predictor and one evaluator for every method."""

__version__ = "0.1.0"
