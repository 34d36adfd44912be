"""Many media, two questions each, all in flight at once: every answer is the one that its own picture gets alone."""

from __future__ import annotations

from pathlib import Path

from pipelines.media.extract import extract
from pipelines.media.types import DecodeRequest, TilingSpec
from pipelines.model.load import load_model
from reelmill import Ask, Client, Generation, JobSpec, Sampling
from reelmill.embedded import ServiceUrls
from tests.pictures import noise_png
from tests.workers import TINY_MODEL, rows, running_worker

QUESTIONS = ("What is it?", "Describe the colours in the picture, please.")
COUNT = 40
TOKENS = 10


def test_two_questions_over_many_media_land_on_their_own_rows(
    mill: ServiceUrls, media_dir: Path, tmp_path: Path
) -> None:
    paths = [media_dir / f"{number}.png" for number in range(COUNT)]
    for number, path in enumerate(paths):
        path.write_bytes(noise_png(number, size=(60 + 17 * (number % 9), 200 - 11 * (number % 7))))
    spec = {"tasks": (Ask(*QUESTIONS),), "generation": Generation(max_new_tokens=TOKENS)}
    with running_worker(tmp_path / "worker.log", concurrency="16") as worker:
        status = Client().submit_many(JobSpec(media=(p.as_uri(),), **spec) for p in paths).wait(90, progress=False)
        assert status.succeeded == COUNT, worker.log()
    seen = rows(
        mill.database_url,
        "SELECT m.uri, a.ordinal, a.question, a.text FROM answers a JOIN media m USING (job_id) ORDER BY 1, 2",
    )
    expected = _answers_alone(paths)
    assert {(uri, question): said for uri, _, question, said in seen} == expected
    # The check means something only if pictures and questions get answers of their own.
    assert len(set(expected.values())) > COUNT


def _answers_alone(paths: list[Path]) -> dict[tuple[object, object], object]:
    model = load_model(str(TINY_MODEL), dtype="float32", device="cpu")
    info = model.info
    tiling = TilingSpec(info.tile_size, info.max_tiles, thumbnail=info.use_thumbnail)
    answers: dict[tuple[object, object], object] = {}
    for path in paths:
        tiles = extract(DecodeRequest(str(path), path.name, Sampling(), tiling)).tiles
        for question in QUESTIONS:
            answers[path.as_uri(), question] = model.chat(tiles, question, {"max_new_tokens": TOKENS})
    return answers
