"""What can be known of a file from anybody, without a project."""
