"""Relevance by one backward: rules in place of derivatives, on the graph that an ordinary forward has left."""
