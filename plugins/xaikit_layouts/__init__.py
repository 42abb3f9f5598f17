"""How a tensor at a tap is arranged, one a module."""
