"""Who is told of a run, one tracker a module."""
