"""What a run is going to do: what is missing, in which shards, and what that costs."""
