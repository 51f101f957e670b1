"""Scores of the best pairs."""

from __future__ import annotations

import torch

from ecpe_zoo.layers.decoding import top_pairs

SCORES = torch.tensor([[[0.1, 0.4], [0.3, 0.2]], [[0.0, 0.0], [0.0, 0.0]]])


def test_without_options_scores_stay() -> None:
    assert top_pairs(SCORES) is SCORES


def test_the_best_ones_keep_their_scores() -> None:
    found = top_pairs(SCORES, 2)
    torch.testing.assert_close(found[0], torch.tensor([[0.0, 0.4], [0.3, 0.0]]))
    torch.testing.assert_close(top_pairs(SCORES, 9), SCORES)


def test_the_first_is_above_any_threshold_unless_there_is_none() -> None:
    found = top_pairs(SCORES, 1, force_first=True)
    torch.testing.assert_close(found[0], torch.tensor([[0.0, 1.0], [0.0, 0.0]]))
    assert not found[1].any()
    torch.testing.assert_close(top_pairs(SCORES, force_first=True)[0], torch.tensor([[0.1, 1.0], [0.3, 0.2]]))


def test_of_equal_scores_the_first_pair_wins() -> None:
    found = top_pairs(torch.full((1, 2, 2), 0.5), 1)
    torch.testing.assert_close(found, torch.tensor([[[0.5, 0.0], [0.0, 0.0]]]))
