"""Run a command unless another one holds the same lock: `alone.py LOCK COMMAND...`.

The lock belongs to the process, so it is gone when that is, killed or not, and nothing has to be unlocked by hand. A
killed process takes a moment to go, so a held lock is tried again for some seconds before the command is refused.
"""

import fcntl
import os
import sys
import time

PATIENCE = 5.0  # seconds

lock, *command = sys.argv[1:]
handle = os.open(lock, os.O_CREAT | os.O_WRONLY)
os.set_inheritable(handle, True)  # the command takes this process's place and keeps the lock
until = time.monotonic() + PATIENCE
while True:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        break
    except BlockingIOError:
        if time.monotonic() > until:
            sys.exit("the same is being made already, by a run that is still at work; wait for it or stop it")
        time.sleep(0.1)
os.execvp(command[0], command)
