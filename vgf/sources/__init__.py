"""Sources: where a dataset file comes from.

`get` finds or downloads a file, or has it made anew: `recipes` says how each suite's data were made, `collect` makes
them in parallel and resumes, `mazes`, `manipulation` and `locomotion` are the simulators, `experts` and `trainings` the
policies that act there. `check` and `card` judge and describe what is there.
"""
