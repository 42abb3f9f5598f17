"""A model with its maps as one plain forward, to be run where there is no autograd: see ``xaikit export``."""
