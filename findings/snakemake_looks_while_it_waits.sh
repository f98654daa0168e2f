#!/usr/bin/env bash
# Snakemake 9.27.1: --max-jobs-per-timespan, a limit on submissions, sets how often a waiting run looks at all inputs.
#
# Guess before it was run: while one job holds the only core, nothing can be chosen, so the inputs of the jobs that are
# ready are looked at once; a limit of 100 jobs a second or 100 in ten seconds is the same for a run of 31 jobs.
# Seen: each pass of the scheduler asks the size of every input of every ready job, and the next pass comes one timespan
# later although no core is free. With 30 jobs waiting for 400 files behind one job of 12 s, sizes are asked for 4,800
# times at the default of 100/1s and 800 times at 100/10s. Neither the limit nor the choice is ever reached.
# Guess for the second part: a run that waits passes once a timespan, however many of its jobs have ended.
# Seen: each job that ends while others wait starts one more series of passes, and none of them stops. In eight seconds
# of one long job there are 8 passes after no other job, 48 after 5 and 88 after 10.
# Where it touches us: chapters depend on up to 200 modules each, and building the book spent 15 % of a core so; the
# Makefile sets the timespan to ten seconds.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "snakemake==9.27.1"
cd "$folder"
cat > Snakefile <<'RULES'
FILES = [f"in/{i}.txt" for i in range(400)]
rule all:
    input: "long.txt", expand("short/{i}.txt", i=range(30))
rule long:
    output: "long.txt"
    priority: 1
    shell: "sleep 12; touch {output}"
rule short:
    input: FILES
    output: "short/{i}.txt"
    shell: "touch {output}"
RULES
mkdir in
touch in/{0..399}.txt
cat > counted.py <<'PYTHON'
"""Run Snakemake and print how often it asked a file's size before the first short job was done."""

import os
import sys
from importlib.metadata import version

assert version("snakemake") == "9.27.1"
from snakemake import cli

asked, real = 0, os.path.getsize


def counted(path):
    global asked
    asked += str(path).startswith("in/") and not os.path.exists("long.txt")
    return real(path)


os.path.getsize = counted
try:
    cli.main(["--cores", "1", "--quiet", "all", "--max-jobs-per-timespan", sys.argv[1]])
except SystemExit as end:
    assert not end.code, end.code
print(asked)
PYTHON
for span in 1s 10s; do
    rm -rf long.txt short .snakemake
    asked=$("$folder/env/bin/python" counted.py "100/$span" 2>/dev/null | tail -1)
    echo "100/$span: $asked sizes asked while one job ran"
    eval "asked_$span=$asked"
done
[ "$asked_1s" -gt $((3 * asked_10s)) ] || { echo "the timespan of the limit does not matter any more"; exit 1; }
rm -rf long.txt short .snakemake
cat > Snakefile <<'RULES'
rule all:
    input: "long.txt", expand("short/{i}.txt", i=range(int(config["count"]))), expand("wide/{i}.txt", i=range(3))
rule long:
    output: "long.txt"
    priority: 2
    shell: "sleep 20; touch {output}"
rule short:
    output: "short/{i}.txt"
    priority: 1
    shell: "touch {output}"
rule wide:
    output: "wide/{i}.txt"
    threads: 2
    shell: "touch {output}"
RULES
cat > passes.py <<'PYTHON'
"""Run Snakemake and print how often its scheduler looked for jobs in eight seconds of the long one."""

import sys
import time

from snakemake import cli
from snakemake.scheduling.job_scheduler import JobScheduler

begun, passes, real = [], [], JobScheduler.job_selector


def counted(self, jobs):
    begun or begun.append(time.monotonic())
    passes.append(time.monotonic() - begun[0])
    return real(self, jobs)


JobScheduler.job_selector = counted
try:
    cli.main(["--cores", "2", "--quiet", "all", "--config", f"count={sys.argv[1]}"])
except SystemExit as end:
    assert not end.code, end.code
print(sum(11 < at < 19 for at in passes))
PYTHON
for count in 0 10; do
    rm -rf long.txt short wide .snakemake
    passes=$("$folder/env/bin/python" passes.py "$count" 2>/dev/null | tail -1)
    echo "after $count jobs: $passes passes in eight seconds"
    eval "passes_$count=$passes"
done
[ "$passes_10" -gt $((5 * passes_0)) ] || { echo "jobs that have ended add no passes any more"; exit 1; }
