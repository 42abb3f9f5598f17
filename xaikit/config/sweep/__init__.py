"""The ``sweep`` of a config: what varies, the grid of its points, and what each point says."""
