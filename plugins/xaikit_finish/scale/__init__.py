"""How a normalized map is bent."""
