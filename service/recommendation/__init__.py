"""Which config should I pick? question → candidates → limits → ranking → answer."""
