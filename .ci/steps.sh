# Shell functions of the Snakefile's rules: one line when a step starts, one with its seconds when it is done.
export PYTHONWARNINGS=ignore PYDEVD_DISABLE_FILE_VALIDATION=1

# step NAME COMMAND...: run it quietly; when it fails show the chapter's error, its warnings, or the end of its log.
step() {
  local name=$1 log="_build/logs/${1//[^a-z0-9_.-]/-}.log" start=$SECONDS
  shift
  mkdir -p _build/logs
  printf '  %-48s ...\n' "$name"
  if "$@" >"$log" 2>&1; then
    printf '  %-48s %3d s\n' "$name" $((SECONDS - start))
  else
    printf '  %-48s failed; from %s:\n' "$name" "$log"
    { sed -n '/^Exception encountered at/,$p' "$log" | tail -n 25 | grep . || grep -E 'WARNING:|ERROR:' "$log" || tail -n 25 "$log"; } |
      head -25 | sed $'s/\e\\[[0-9;]*m//g; s/^/    /'
    return 1
  fi
}

# chapter NAME SCALE: execute notebooks/NAME.md into notebooks/NAME.ipynb, which then says on which machine and of which code.
chapter() {
  local facts  # jupytext takes a null for "remove", so facts that are unknown are left out
  facts=$(python -c 'import json; from vgf.bench.machine import machine; print(json.dumps({"machine": {k: v for k, v in machine().items() if v is not None}}))') &&
    jupytext --quiet --to ipynb --update-metadata "$facts" "notebooks/$1.md" -o - |
    papermill --cwd notebooks --kernel python3 --no-progress-bar -p scale "$2" - "notebooks/$1.ipynb"
}
