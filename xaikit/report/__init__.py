"""What a run shows and gives back."""
