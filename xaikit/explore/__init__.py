"""A picture dropped into a browser, explained at once by what a config has: see ``xaikit explore``."""
