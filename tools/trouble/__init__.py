"""A plate on which faces go wrong over time, with its ground truth, and what became of it."""
