"""Releases, and the permits that they give."""
