"""Which number of the output is explained, one module a target."""
