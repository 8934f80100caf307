"""What it takes to make a model: data, fine-tuning, export, judging. torch and transformers are imported here alone."""

from overheard.settings import calm_threads

calm_threads()  # before any module in here imports torch
