"""`python -m agi [--config DIR] LAUNCHER [ARGUMENT…]`: one call without a server, Asterisk on descriptors 0 and 1.

The launchers in agi-bin start it by this name, which therefore stays when modules move.
"""

import logging
import os
import sys

from agi.server.standalone import main, process_age_s, take_standard_descriptors

if __name__ == "__main__":
    logging.basicConfig(format="agi: %(message)s", level=logging.WARNING)
    code = main(sys.argv[1:], *take_standard_descriptors(), held_s=process_age_s())
    # Not sys.exit: nothing that a script started (a thread, an atexit) may hold the call.
    logging.shutdown()
    os._exit(code)
