"""Benchmarks: how long an update, a transport and a batch take, as ratios within one run.

Every case runs in a process of its own, so that its memory can be told from the others', and the processes take turns:
one block of each, then the next block of each. Whatever else a machine does then falls on all of them alike, and the
medians' ratios mean something where seconds alone would not. Nothing here is a test.
"""
