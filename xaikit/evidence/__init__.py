"""One pass of a model and what it sees: the hooks, the forward and the backprop of scores."""
