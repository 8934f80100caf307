"""Scoring: text clean-up, tokenising, batching and the back ends that turn texts into calibrated probabilities."""
