"""The size a map is brought to."""
