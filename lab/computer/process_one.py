"""Process 1 of the lab, and of each machine in it: while it lives they live, and it lives while its owner does.

It holds nothing but the other end of a pipe. When the owner ends, however it ends, the pipe ends; this process
exits, and the kernel kills everything in its process namespace and drops every mount and network with it.
Run with `-I -S`: nothing but built-in modules is needed.
"""

import os
import select
import signal
import sys


def _reap() -> None:
    while True:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                return
        except ChildProcessError:
            return


def main() -> int:
    """Waits for the end of standard input, burying orphans meanwhile."""
    woken, waker = os.pipe()
    os.set_blocking(woken, False)
    os.set_blocking(waker, False)
    signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(ignored, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        readable, _, _ = select.select([0, woken], [], [])
        if 0 in readable and not os.read(0, 4096):
            return 0
        if woken in readable:
            os.read(woken, 4096)
        _reap()


if __name__ == "__main__":
    sys.exit(main())
