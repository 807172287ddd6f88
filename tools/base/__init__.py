"""Training of the base: the generator that is given a likeness's pixels, on rendered triples."""
