"""What an engine allocates besides weights and KV cache: scratch buffers and its own run-time.

A llama.cpp graph needs, at its widest, the logits of a batch (vocabulary x batch x 4 bytes), about three activations of
the hidden size, the routed activations of a mixture, and the attention mask of one sequence (2 bytes per cell and batch
token). The run-time (CUDA context, kernels, graphs, an HTTP server) is the engine's own figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from catalog.physics.kv import BATCH_TOKENS

Floats = NDArray[np.float64]

ACTIVATION_COPIES = 3.0
ACTIVATION_BYTES = 4.0
MASK_BYTES = 2.0


def scratch_bytes(shapes: Any, context: Any) -> Floats:
    """Bytes of the widest moment of a prompt batch of BATCH_TOKENS tokens. ``shapes`` as in physics.terms. Shape (n,)."""
    vocabulary = shapes.head_params / np.maximum(shapes.hidden_size, 1.0)
    width = vocabulary + (ACTIVATION_COPIES + shapes.experts_per_token) * shapes.hidden_size
    return np.asarray(BATCH_TOKENS * (ACTIVATION_BYTES * width + MASK_BYTES * np.asarray(context, dtype=float)))


def per_unit(shared_bytes: Floats, units: int) -> Floats:
    """Bytes per unit of what several units share evenly (weights by tensors or layers, KV by heads or layers)."""
    return shared_bytes / units
