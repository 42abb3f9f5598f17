"""What several tests share: networks, models with peculiarities, run folders, requests."""
