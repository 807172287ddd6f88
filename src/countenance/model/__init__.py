"""The face model: networks, losses, the training loop, checkpoints."""
