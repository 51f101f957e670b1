"""Moved to ecpe_zoo.data.predictions."""

from ecpe_zoo.data.predictions import Prediction as Prediction
