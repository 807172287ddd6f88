"""Synthetic people: they exist nowhere else, and everything about their pictures is known exactly."""
