"""The flow in a small space of sentences, where eight particles have neighbours: does a particle need a direction?

In the space of token embeddings any eight responses are about equally far apart, so a kernel tells no neighbour from
another. Here a text is a few dozen whitened numbers of a sentence encoder, the reference is a flow-matching prior over
them (`vgf.reference`), the particles move by `vgf.flow.transport`, and the way back to text is retrieval: the nearest
snippet that people wrote and rated. So fluency is no question and the outcome is people's own ratings; the price is
that nothing new is written.

    space        texts as latents, topics, nearest snippet   rows      what is compared, and how particles move
    models       the prior, and networks of ratings          plan      the experiment file and its sizes
    wishes       what is wished for, how a text is valued    study     scenes, tuning, records
    geometry     how alike gradients are, how far particles  verdict   does a particle need its own direction
    budget_rule  the rule for budgets, judged on this space  table     the study as text
    overoptimisation  how far to go, and who says so; its curves are in overoptimisation_table
"""
