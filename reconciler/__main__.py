"""`python -m reconciler`: the command line, where its program is not on the path."""

from reconciler.cli.main import main

main()
