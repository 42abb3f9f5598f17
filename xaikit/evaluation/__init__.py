"""Stored raw maps, judged by metrics: a batch of photographs with all maps of them."""
