"""How far predictions are off on what they have not seen, and whether their intervals keep their word."""
