"""`python -m agi [--config DIR] LAUNCHER [ARGUMENT…]`: one call without a server, Asterisk on descriptors 0 and 1.

The launchers in agi-bin start it by this name, which therefore stays when modules move.
"""

import logging
import os

from agi.server.standalone import main

if __name__ == "__main__":
    # Not sys.exit: nothing that a script started (a thread, an atexit) may hold the call.
    code = main()
    logging.shutdown()
    os._exit(code)
