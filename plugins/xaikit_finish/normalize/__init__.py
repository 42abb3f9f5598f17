"""The range a map is brought to."""
