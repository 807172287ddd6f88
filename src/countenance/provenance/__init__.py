"""Label, sign, log: the one door through which a file leaves."""
