"""A generator that is given the likeness's pixels: sources drawn into one target mesh, aligned, mixed and relit."""
