"""Real, tiny language models that run in this process, in numpy."""

from __future__ import annotations

from .model import PocketModel, load_pocket_model, load_pocket_models, pocket_names

__all__ = ["PocketModel", "load_pocket_model", "load_pocket_models", "pocket_names"]
