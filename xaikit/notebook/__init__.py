"""What `xaikit.explain` is given, in the forms that notebooks have it in, read."""
