"""Relevance by one backward: activations times gradients by rules of their own, each a table of switches."""
