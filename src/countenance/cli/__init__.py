"""The command line: verbs only, and the one place where errors become exit codes."""
