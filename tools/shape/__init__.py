"""Training of the estimator of shapes on rendered people."""
