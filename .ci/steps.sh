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
