"""`python -m feedkit.cli` is the command `feedkit`."""

from feedkit.cli import main

main()
