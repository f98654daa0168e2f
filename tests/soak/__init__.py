"""A campaign of faults, `make soak`: what is killed, mangled, filled up and shared, and what has to hold all the same.

    python -m tests.soak            everything; what is finished is not done again
    python -m tests.soak --only kills

    kills    SIGKILL at random moments: nothing finished is lost, and the end is the unkilled run's, bit by bit
    inputs   mangled files: read as the good one, or refused in one line that names the file
    writes   every write fails once, by a full disk and by a read-only one: one line, and the next call finishes
    writers  two to eight processes in one folder: the end is that of one process

It is no part of `make test`, as it takes half an hour. What it finds is mended, and gets a test there.
"""
