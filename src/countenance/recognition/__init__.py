"""Whether somebody whose face was replaced could still be recognised: measured, and as a page."""
