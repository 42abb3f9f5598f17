"""The class activation maps, one module a method."""
