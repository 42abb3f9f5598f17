"""Plain values as YAML and JSON know them: read, told apart, and what is wrong with one at the place where it was written."""
