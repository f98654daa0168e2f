#!/usr/bin/env bash
# myst-nb 1.4.0 with NumPy 2: a number that was computed by NumPy is missing from the page, and the build succeeds.
#
# Guess before it was run: the page shows np.float64(0.123456), unformatted, for that is how NumPy 2 writes its numbers.
# Seen: so it is without a format. With one, {glue:text}`name:.2f`, nothing at all stands in the sentence: the kept text is
# no literal, so it is not turned into a number, and the role leaves its place empty with a warning. sphinx-build
# ends with 0 and writes the page (unless warnings are made errors). np.mean of a list is enough; a plain float is shown as it
# should be. So a book that was right with NumPy 1, whose numbers print as 0.123456, loses its numbers with NumPy 2.
# Where it touches us: vgf.book.chapter.glue turns what it is given into a plain float or int, and the book is built with
# warnings as errors.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "sphinx==7.4.7" "myst-nb==1.4.0" "ipykernel==7.4.0" "numpy==2.4.6"
mkdir "$folder/book"
cat > "$folder/book/conf.py" <<'PYTHON'
extensions = ["myst_nb"]
nb_execution_mode = "force"
nb_execution_raise_on_error = True
PYTHON
cat > "$folder/book/index.md" <<'MARKDOWN'
---
file_format: mystnb
kernelspec: {name: python3, display_name: Python 3}
---

# Page

```{code-cell}
:tags: [remove-cell]

import numpy as np
from myst_nb import glue

glue("plain", 0.123456, display=False)
glue("numpy", np.mean([0.1, 0.2]), display=False)
```

plain, with a format: ({glue:text}`plain:.2f`)

numpy, with a format: ({glue:text}`numpy:.2f`)

numpy, without: ({glue:text}`numpy`)
MARKDOWN
export JUPYTER_DATA_DIR="$folder/jupyter" PATH="$folder/env/bin:$PATH"
python -m sphinx -q -b text "$folder/book" "$folder/out" 2> "$folder/log"
echo "sphinx-build: exit status $?"
grep "Failed to format" "$folder/log" | sed 's/.*WARNING/WARNING/'
grep ":" "$folder/out/index.txt"
grep -Fqx "plain, with a format: (0.12)" "$folder/out/index.txt"
grep -Fqx "numpy, with a format: ()" "$folder/out/index.txt"
grep -Fq "numpy, without: (np.float64(0.15" "$folder/out/index.txt"
