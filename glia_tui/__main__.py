"""``python -m glia_tui`` is ``glia``."""

from glia_tui.cli import main

main()
