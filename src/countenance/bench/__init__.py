"""The benchmark: every method against the exact answer, and the judge that measures them."""
