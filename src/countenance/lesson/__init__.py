"""A lesson on judging files: an exhibition of clips of synthetic actors, each with what the verifier finds."""
