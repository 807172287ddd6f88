"""Find, align, mask, recognise and keep faces."""
