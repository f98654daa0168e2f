"""Results: from records to tables, statistics and verdicts. Nothing here draws.

How a claim of the paper is decided:

    units          scores by task, an environment's tasks as one, from the records of a study
    permutation    tests that count how often chance gives as much
    judgement      a verdict: its words, which tasks count, the correction for several claims on a page
    verdicts       rules: ahead of the rivals, TD learning alone, training steps, the amortised direction
    step_verdicts  rules: more test steps, and none, each where the critic is of one kind
    part_verdicts  rules of claims that have parts: going on online, language

A rule is a function of arrays. It knows no record, no chapter and no figure, so a test can give it a case whose answer
is known.
"""
