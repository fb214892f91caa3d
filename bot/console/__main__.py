"""`python -m bot.console`: the program, which Ctrl-C ends without a traceback from its first import on."""

import sys

try:
    from bot.terminal.program import main

    status = main()
except KeyboardInterrupt:
    status = 130
sys.exit(status)
