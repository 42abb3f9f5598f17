"""The finish: what turns a raw signed map into a picture, one module a choice."""
