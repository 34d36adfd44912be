"""`python -m reelmill` is the `reelmill` command."""

from reelmill.cli import main

main()
