"""Attributions of the model's input, one module a method."""
