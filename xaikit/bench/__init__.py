"""One opened model with its photographs: what the trials of one model share."""
