"""A generator that is given the likeness's pixels: all drawn into one target mesh, looked at, and a face drawn."""
