"""The shipped weights: an .npz and a card for each model, read through importlib.resources."""
