"""Release: the authors' published code, run beside ours in an interpreter of its own."""
