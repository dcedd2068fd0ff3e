"""Constraints from values alone: models in a trust region, slopes across kinks, a poll."""
