"""Training and measurement of the detector, on rendered people."""
