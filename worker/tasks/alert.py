"""Alerts: what is watched is looked at."""
