"""The three wishes have the values their formulas say."""

from __future__ import annotations

import torch

from vgf.rlhf.latent.wishes import covered, marks_of, wishes

RATING, TOPICS = torch.tensor([[1.0, -3.0]]), torch.tensor([[[0.5, 2.0], [1.0, -1.0]]])


def test_values_are_those_of_the_formulas() -> None:
    every = wishes(spread=2.0)
    mark = torch.tensor([[-1.0]])
    assert every["conditional"].value(mark, RATING, TOPICS).tolist() == [[-1.0, 3.0]]
    assert every["target"].value(mark, RATING, TOPICS).tolist() == [[-4.0, -4.0]]
    assert every["modes"].value(mark, RATING, TOPICS).tolist() == [[2.5, -0.5]]
    assert every["modes"].of(mark, RATING, TOPICS)[0, 0].tolist() == [1.0, 2.5]


def test_a_topic_is_covered_by_a_text_that_belongs_to_it_and_is_not_rated_below_zero() -> None:
    far = torch.tensor([[[1.3, 0.0], [0.0, 1.3]], [[1.3, 1.3], [0.0, 0.0]], [[1.2, 0.0], [0.0, 1.2]]])
    good = torch.tensor([[1.0, -1.0], [0.0, -4.0], [4.0, 4.0]])
    assert covered(good, far).tolist() == [1, 2, 0]


def test_marks_come_in_turn() -> None:
    every = wishes(1.0)
    assert marks_of(every["target"], 5).tolist() == [-2.0, 0.0, 2.0, -2.0, 0.0]
    assert marks_of(every["modes"], 2).tolist() == [0.0, 0.0]
