"""`python -m countenance` is the command line."""

from countenance.cli.app import main

main()
