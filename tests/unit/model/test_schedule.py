"""Which waiting requests share a batch."""

from concurrent.futures import Future

from pipelines.model.schedule import Ticket, next_batch
from reelmill.schema.tasks import Generation


def ticket(length: int = 10, **generation: object) -> Ticket:
    settings = Generation.model_validate(generation)
    return Ticket(tuple(range(length)), None, settings, settings.max_new_tokens, None, Future(), 0.0)


def test_nothing_waits_nothing_runs() -> None:
    assert next_batch([], 4) == []


def test_the_oldest_go_first_and_no_more_than_fit() -> None:
    waiting = [ticket() for _ in range(5)]
    assert next_batch(waiting, 3) == waiting[:3]


def test_greedy_requests_of_different_answer_lengths_share_a_batch() -> None:
    waiting = [ticket(max_new_tokens=8), ticket(max_new_tokens=500)]
    assert next_batch(waiting, 4) == waiting


def test_where_not_all_fit_answers_of_about_one_length_go_together() -> None:
    waiting = [ticket(max_new_tokens=tokens) for tokens in (32, 512, 40, 16, 480, 30)]
    assert next_batch(waiting, 3) == [waiting[0], waiting[2], waiting[5]]
    assert next_batch(waiting[1:], 2) == [waiting[1], waiting[4]]


def test_of_equals_the_oldest_go_first_and_the_oldest_of_all_always_does() -> None:
    waiting = [ticket(max_new_tokens=9), *(ticket(max_new_tokens=100) for _ in range(5))]
    assert next_batch(waiting, 3) == waiting[:3]
    assert next_batch(waiting, 1) == waiting[:1]


def test_a_much_longer_prompt_waits_for_its_own_batch() -> None:
    short, long, medium = ticket(10), ticket(100), ticket(20)
    assert next_batch([short, long, medium], 4) == [short, medium]
    assert next_batch([long, medium], 4) == [long]


def test_other_penalties_are_other_batches() -> None:
    plain, penalised = ticket(), ticket(repetition_penalty=1.5)
    assert next_batch([plain, penalised], 4) == [plain]


def test_sampled_and_beam_requests_run_alone() -> None:
    sampled, beams, plain = ticket(do_sample=True), ticket(num_beams=3), ticket()
    assert next_batch([sampled, plain], 4) == [sampled]
    assert next_batch([beams, plain], 4) == [beams]
    assert next_batch([plain, sampled, beams], 4) == [plain]
