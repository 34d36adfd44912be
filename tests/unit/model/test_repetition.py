"""What is a loop, and what only looks like one."""

import random

import pytest

from pipelines.model.repetition import EVERY_TOKENS, LONGEST_PERIOD, LOOP_ROUNDS, LOOP_TOKENS, loops, text_loops


@pytest.mark.parametrize("period", [1, 2, 7, 32, 64, LONGEST_PERIOD])
def test_the_same_tokens_again_and_again_are_a_loop_after_any_start(period: int) -> None:
    answer = list(range(1000, 1100)) + list(range(period)) * LOOP_TOKENS * LOOP_ROUNDS
    longest = max(LOOP_TOKENS, LOOP_ROUNDS * period)
    ends = [length for length in range(len(answer[: 100 + 2 * longest])) if loops(answer[:length])]
    assert 100 + longest <= ends[0] <= 100 + longest + EVERY_TOKENS


def test_a_loop_that_was_left_is_none() -> None:
    assert not loops([5] * 1000 + [6] * 8)


def test_lists_tables_and_verses_are_no_loops() -> None:
    numbered = [token for number in range(400) for token in (number, 9000, 9001, 9002)]
    boxes = [token for number in range(300) for token in (9000, 100 + number * 7 % 800, 9001, 9002)]
    verses = [token for verse in range(60) for token in [*range(30), 1000 + verse, *range(30)]]
    dashes = [7] * (LOOP_TOKENS - EVERY_TOKENS)
    row_of_zeros = ([0, 1] * 40 + [2]) * 7
    for answer in (numbered, boxes, verses, dashes, row_of_zeros):
        assert not any(loops(answer[:length]) for length in range(len(answer) + 1))


def test_seven_equal_paragraphs_are_no_loop_and_eight_are() -> None:
    paragraph = list(range(LONGEST_PERIOD))
    assert not loops(paragraph * 7)
    assert loops(paragraph * 8)


def test_a_text_loops_by_its_characters() -> None:
    assert text_loops("It is a cat. " + "The cat sits. " * 100)
    assert not text_loops("The cat sits. " * 7)
    assert not text_loops("\n".join(f"{number}. The cat sits." for number in range(200)))


def test_looking_at_every_token_of_a_long_answer_costs_little() -> None:
    random_ids = random.Random(2).choices(range(50), k=4096)
    assert not any(loops(random_ids[:length]) for length in range(len(random_ids)))
