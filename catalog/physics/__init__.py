"""What a config needs and could do at best, from the facts alone: bytes, FLOPs, memory. Pure functions on arrays."""
