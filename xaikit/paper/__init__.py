"""The maps of a run as a figure for a paper."""
