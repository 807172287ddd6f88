"""`python -m countenance` is the command line."""

from countenance.cli.start import main

main()
