"""Which axis of a tensor is which of another."""
