"""Frames in, frames out, at their exact time."""
