"""What is kept of the sign of a map."""
