"""The run folder: what was computed, kept so that nothing is computed twice and nothing is lost."""
