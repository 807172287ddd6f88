"""Label, sign and log: the only way to publish a file."""
