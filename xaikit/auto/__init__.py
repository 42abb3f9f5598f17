"""``layers: auto``, and every layer that a map could be drawn on."""
