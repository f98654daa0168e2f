#!/usr/bin/env bash
# Lint and format check of chapters' code cells: ruff reads notebooks, so each text is turned into one on the way.
#   .ci/lint_chapters.sh notebooks/NN_name.md ...
set -uo pipefail
status=0
for chapter in "$@"; do
  notebook=$(jupytext --quiet --to ipynb "$chapter" -o -) || status=1
  ruff check --quiet --stdin-filename "${chapter%.md}.ipynb" - <<<"$notebook" || status=1
  ruff format --quiet --check --stdin-filename "${chapter%.md}.ipynb" - <<<"$notebook" ||
    { echo "$chapter: would be reformatted; run \`make format\`"; status=1; }
done
exit $status
