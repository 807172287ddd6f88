"""What a file itself shows of how it was made, without credentials: traces in the container, and signs in the faces."""
