"""A face 900 px wide in a UHD plate, with its ground truth, and what became of its detail."""
