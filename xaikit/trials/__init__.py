"""From a Config to keyed trials: plain data, without torch."""
