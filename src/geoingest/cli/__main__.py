"""`python -m geoingest.cli`: the command line without its installed script."""

from geoingest.cli import main

main()
