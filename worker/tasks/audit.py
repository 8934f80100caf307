"""Audits: samples are drawn, and the model is judged without labels."""
