"""An InternVL checkpoint that talks: the published `chat` and `batch_chat`, and the steps that the engine takes."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, overload

import torch

from pipelines.errors import ContextExceededError, PromptError
from pipelines.model.checkpoint import Checkpoint
from pipelines.model.generation import Prompts, RowLimits, generate, generation_config, plain_options, seeded
from pipelines.model.pixels import Pixels, normalised
from pipelines.model.reader import Reader
from pipelines.model.template import IMAGE_PLACEHOLDER, Conversation, build_prompt
from pipelines.model.turns import Turn, batch_turns, check_tiles
from pipelines.model.types import ModelInfo
from reelmill.schema.tasks import Generation

GenerationOptions = Mapping[str, Any] | Generation
History = Sequence[Sequence[str]]

_TILES_PER_PASS = 32
_DEFAULT_NEW_TOKENS = 512


class InternVL:
    """A loaded checkpoint. Calls are not meant to overlap: one thread at a time (the engine has its own)."""

    def __init__(self, checkpoint: Checkpoint, past_window: bool = False) -> None:
        """`past_window`: answer prompts beyond the checkpoint's window too, however well it can."""
        self._past_window = past_window
        self.network = checkpoint.network
        self.tokenizer = checkpoint.tokenizer
        self.template = checkpoint.template
        self.config = checkpoint.config
        self.sharded = checkpoint.places.sharded
        self.info = _info(checkpoint)

    @overload
    def chat(
        self,
        pixel_values: Pixels | None,
        question: str,
        generation_config: GenerationOptions,
        history: History | None = None,
        return_history: Literal[False] = False,
        num_patches_list: Sequence[int] | None = None,
        verbose: bool = False,
    ) -> str: ...

    @overload
    def chat(
        self,
        pixel_values: Pixels | None,
        question: str,
        generation_config: GenerationOptions,
        history: History | None = None,
        *,
        return_history: Literal[True],
        num_patches_list: Sequence[int] | None = None,
        verbose: bool = False,
    ) -> tuple[str, list[tuple[str, str]]]: ...

    def chat(
        self,
        pixel_values: Pixels | None,
        question: str,
        generation_config: GenerationOptions,
        history: History | None = None,
        return_history: bool = False,
        num_patches_list: Sequence[int] | None = None,
        verbose: bool = False,
    ) -> str | tuple[str, list[tuple[str, str]]]:
        """Answer one question: the published `chat`, without its first argument (the model holds its tokenizer).

        Without history and without `<image>`, a question about pixels gets `<image>` in front. `generation_config` is
        the published dictionary (a `streamer` in it works) or a Generation; neither it nor `history` is changed.

        Args:
            num_patches_list: tiles of each picture; by default all tiles are one picture.

        Returns:
            The answer; with `return_history`, (answer, history with this turn).

        Raises:
            PromptError: arguments that do not fit together.
            ContextExceededError: the prompt leaves no room for an answer.
        """
        if history is None and pixel_values is not None and IMAGE_PLACEHOLDER not in question:
            question = f"{IMAGE_PLACEHOLDER}\n{question}"
        tiles = 0 if pixel_values is None else len(pixel_values)
        counts = tuple(num_patches_list) if num_patches_list is not None else ((tiles,) if tiles else ())
        turn = Turn(Conversation(question, tuple((asked, said) for asked, said in history or ())), counts)
        answer = self._answers(pixel_values, [turn], generation_config)[0]
        if verbose:
            self._show(pixel_values, None if return_history else turn, answer)
        return (answer, [*turn.conversation.history, (question, answer)]) if return_history else answer

    def batch_chat(
        self,
        pixel_values: Pixels | None,
        questions: Sequence[str],
        generation_config: GenerationOptions,
        num_patches_list: Sequence[int] | None = None,
        history: History | None = None,
        return_history: bool = False,
        image_counts: Sequence[int] | None = None,
        verbose: bool = False,
    ) -> list[str]:
        """Answer several questions together: the published `batch_chat`, without its first argument.

        Args:
            num_patches_list: tiles of each question's one picture, 0 for none; required, also for text.
            image_counts: the older name of `num_patches_list`.

        Raises:
            PromptError: history (not supported in a batch), or counts that do not fit the questions or the tiles.
            ContextExceededError: a prompt leaves no room for an answer.
        """
        if history is not None or return_history:
            raise PromptError("batch_chat has no history", next_step="Use chat() for conversations of several turns")
        if image_counts is not None:
            warnings.warn("image_counts is now called num_patches_list", DeprecationWarning, stacklevel=2)
        counts = num_patches_list if num_patches_list is not None else image_counts
        if counts is None:
            raise PromptError("num_patches_list is missing", next_step="Give the tiles per question; 0 for text alone")
        turns = batch_turns(questions, counts, pixel_values is not None)
        answers = self._answers(pixel_values, turns, generation_config)
        if verbose:
            self._show(pixel_values, None, "")
        return answers

    @torch.inference_mode()
    def encode(self, tiles: Pixels) -> torch.Tensor:
        """Visual features [n, tokens per tile, hidden] of uint8 tiles or of published pixel values.

        uint8 tiles are normalised on the device: (x / 255 − mean) / std in float32, as the published transform does.

        Raises:
            PromptError: another shape or dtype.
        """
        passes = [self._on_device(tiles[at : at + _TILES_PER_PASS]) for at in range(0, len(tiles), _TILES_PER_PASS)]
        return torch.cat([self.network.features(pixels) for pixels in passes])

    def prompt_ids(self, conversation: Conversation, tiles_per_image: Sequence[int]) -> list[int]:
        """The ids of the prompt, context tokens of its pictures included.

        Raises:
            PromptError: more pictures than placeholders.
        """
        tokens = [count * self.info.tokens_per_tile for count in tiles_per_image]
        return self.tokenizer.encode(build_prompt(self.template, conversation, tokens, self.config.system_message))

    def answer_ids(self, answer: str) -> tuple[int, ...]:
        """The ids of an answer as the model would say it behind a prompt, with the stop token.

        Raises:
            PromptError: its beginning melts into the prompt's end.
        """
        prompt = build_prompt(self.template, Conversation("?"), (), self.config.system_message)
        before, whole = self.tokenizer.encode(prompt), self.tokenizer.encode(prompt + answer)
        if whole[: len(before)] != before or len(whole) == len(before):
            raise PromptError("cannot be weighed as an answer of its own", subject=answer)
        return (*whole[len(before) :], self.tokenizer.stop_id)

    @torch.inference_mode()
    def embed(self, ids: Sequence[int], features: torch.Tensor | None) -> torch.Tensor:
        """Embeddings [tokens, hidden] of a prompt, its context tokens replaced by `features` [tiles, tokens, hidden].

        Raises:
            PromptError: as many context tokens as features is not what there is.
        """
        tokens = torch.tensor(ids, device=self.network.device)
        embeddings: torch.Tensor = self.network.language_model.get_input_embeddings()(tokens)
        if features is None:
            return embeddings
        places = tokens == self.tokenizer.image_context_id
        vectors = features.reshape(-1, features.shape[-1]).to(embeddings)
        if int(places.sum()) != len(vectors):
            raise PromptError(f"{int(places.sum())} context tokens for {len(vectors)} visual features")
        return embeddings.masked_scatter(places.unsqueeze(-1), vectors)

    def reader(self, generation: Generation) -> Reader:
        """Reads what was generated by these settings."""
        return Reader(self.tokenizer, self.template, generation.stop)

    def room(self, prompt_tokens: int, max_new_tokens: int) -> int:
        """How many of `max_new_tokens` fit behind a prompt.

        Raises:
            ContextExceededError: not one.
        """
        if self._past_window:
            return max_new_tokens
        left = self.info.context_tokens - prompt_tokens
        if left < 1:
            raise ContextExceededError(
                f"a prompt of {prompt_tokens} tokens and an answer of up to {max_new_tokens} do not fit into the "
                f"model's window of {self.info.context_tokens}",
                next_step=f"Use fewer segments or tiles ({self.info.tokens_per_tile} tokens each), or a shorter "
                "question or history",
            )
        return min(max_new_tokens, left)

    def _answers(self, pixel_values: Pixels | None, turns: Sequence[Turn], options: GenerationOptions) -> list[str]:
        check_tiles(None if pixel_values is None else len(pixel_values), turns)
        ids = [self.prompt_ids(turn.conversation, turn.tiles_per_image) for turn in turns]
        plain = plain_options(options) if isinstance(options, Generation) else dict(options)
        streamer = plain.pop("streamer", None)
        wanted = int(plain.get("max_new_tokens", _DEFAULT_NEW_TOKENS))
        plain["max_new_tokens"] = min(self.room(len(row), wanted) for row in ids)
        config = generation_config(plain, self.tokenizer.stop_id)
        reader, limits = self.reader(Generation()), None
        if isinstance(options, Generation):
            reader, most = self.reader(options), (plain["max_new_tokens"],) * len(turns)
            limits = RowLimits(most, lambda row: False, (reader,) * len(turns) if options.num_beams == 1 else ())
        features = None if pixel_values is None else self.encode(pixel_values)
        shares = _shares(features, turns)
        prompts = Prompts(tuple(self.embed(row, share) for row, share in zip(ids, shares, strict=True)))
        with seeded(options.seed if isinstance(options, Generation) else None, self.network.device):
            generated = generate(self.network.language_model, prompts, config, limits, streamer)
        return [reader.answer(row) for row in generated]

    def _on_device(self, tiles: Pixels) -> torch.Tensor:
        return normalised(tiles, self.network.device).to(self.network.dtype)

    def _show(self, pixel_values: Pixels | None, turn: Turn | None, answer: str) -> None:
        """What the published `verbose=True` prints, to where it prints it."""
        if pixel_values is not None:
            sys.stdout.write(f"dynamic ViT batch size: {len(pixel_values)}\n")
        if turn is not None:
            prompt = build_prompt(self.template, turn.conversation, (), self.config.system_message)
            sys.stdout.write(f"{prompt} {answer}\n")


def _shares(features: torch.Tensor | None, turns: Sequence[Turn]) -> list[torch.Tensor | None]:
    if features is None:
        return [None] * len(turns)
    return list(torch.split(features, [sum(turn.tiles_per_image) for turn in turns]))


def _info(checkpoint: Checkpoint) -> ModelInfo:
    config, network = checkpoint.config, checkpoint.network
    return ModelInfo(
        path=checkpoint.files.name,
        revision=checkpoint.files.revision,
        family=config.text.family,
        template=config.template,
        dtype=str(network.dtype).removeprefix("torch."),
        device=str(checkpoint.places) if checkpoint.places.sharded else str(network.device),
        tile_size=config.tile_size,
        tokens_per_tile=config.tokens_per_tile,
        max_tiles=config.max_tiles,
        use_thumbnail=config.use_thumbnail,
        context_tokens=config.text.context_tokens,
        quantization=checkpoint.quantization,
    )
