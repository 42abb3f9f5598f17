"""Where models and pictures come from, one module a source."""
