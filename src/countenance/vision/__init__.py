"""Nets and geometry on pixels; knows no project."""
