"""Further passes that a method asks of its view: rescored inputs, replayed tails, and evidence of its own."""
