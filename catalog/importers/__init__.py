"""What people bring: models from files of weights and configs (``files``), measurements from benchmark tools (``runs``)."""
