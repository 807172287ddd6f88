"""The benchmark: every method against the ground truth, and the judge that measures them."""
