#!/usr/bin/env bash
# datasets 5.2.0: map() with a function of an edited module returns what the old version made.
#
# Guess before it was run: the cache of Dataset.map is keyed by the function's code; an edited prompt template,
# tokenization or reward is computed anew at the next run, wherever the function stands.
# Seen: a function imported from a module of one's own (from helper import f) is hashed by its name only: after an edit
# of the module the next run returns the rows of the old one from the cache, without a word. The same function called
# through its module (import helper, then lambda row: helper.f(row)) is computed anew, as the module's content goes into
# the hash. The form of an import decides whether a preference set is formatted by today's code.
# Where it touches us: vgf/rlhf/rivals/preferred.py gives the trainers sets made in memory (Dataset.from_list), whose
# maps leave nothing on disk for a later run, and vgf/rlhf/parts/preferences.py maps nothing.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "datasets==5.2.0" "dill==0.4.1" "numpy==2.4.6"
cd "$folder"
printf '{"x": 1}\n{"x": 2}\n' > rows.jsonl
cat > run.py <<'PYTHON'
import sys

import datasets
import helper
from helper import f

datasets.disable_progress_bars()
assert datasets.__version__ == "5.2.0", datasets.__version__
rows = datasets.load_dataset("json", data_files="rows.jsonl", split="train")
imported, through_module = rows.map(f)["y"][:], rows.map(lambda row: helper.f(row))["y"][:]
print(f"helper multiplies by {helper.SCALE}: map(f) {imported}, map(lambda row: helper.f(row)) {through_module}")
today = [helper.SCALE, 2 * helper.SCALE]
assert through_module == today and imported == (today if sys.argv[1] == "first" else [1, 2]), "it has changed"
PYTHON
export HF_HOME="$folder/home" HF_HUB_OFFLINE=1 PYTHONDONTWRITEBYTECODE=1
printf 'SCALE = 1\n\n\ndef f(row):\n    return {"y": SCALE * row["x"]}\n' > helper.py
env/bin/python run.py first
printf 'SCALE = 100\n\n\ndef f(row):\n    return {"y": SCALE * row["x"]}\n' > helper.py
env/bin/python run.py second
