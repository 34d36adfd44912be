"""What can go wrong between a file's bytes and a model's words.

PipelineError
├── MediaError                  permanent: the file is what it is
│   ├── EmptyMediaError         zero bytes
│   ├── NotMediaError           no image or video by its magic bytes, or a format off the whitelist
│   ├── TruncatedMediaError     ends before it should
│   ├── NoFramesError           a video without a readable frame, or audio only
│   ├── MediaTooLargeError      pixels, frames or bytes past a limit
│   ├── BoundOutsideMediaError  the asked stretch lies outside the video
│   ├── DecodeTimeoutError      decoding took longer than its limit
│   └── DecoderCrashedError     the sandboxed decoder died (signal, memory limit)
├── DecoderUnavailableError      transient: the sandbox did not start; says nothing about the media
├── ScenesUnavailableError       transient: this worker cannot look for scenes, another may
├── WholeFileNeededError        reading by ranges does not pay; never leaves the worker, which fetches the file whole
├── ModelError
│   ├── CheckpointError         not a checkpoint that can be loaded; says which file or key
│   ├── PromptError             arguments of chat() that do not fit together
│   ├── ContextExceededError    prompt + answer past the model's window
│   ├── ModelOutOfMemoryError   one request alone does not fit
│   └── ModelServerError        transient: a model server gave no answer; no fault of the job
│       ├── ServerUnavailableError  refused or cut connection, timeout, 5xx
│       ├── ServerBusyError         it says that it has too much to do (429, 503)
│       └── ServerDeniedError       key, address or model name are not its own (401, 403, 404)
└── CancelledError              the job was cancelled, or the worker is draining
"""

from __future__ import annotations

from reelmill.schema.errors import ReelmillError


class PipelineError(ReelmillError):
    code = "pipeline_error"


class MediaError(PipelineError):
    code = "bad_media"


class EmptyMediaError(MediaError):
    code = "media_empty"
    advice = "Upload the object again"


class NotMediaError(MediaError):
    code = "media_not_recognised"
    advice = "Submit images (JPEG, PNG, WebP, GIF, TIFF, BMP, …) or videos (MP4, MOV, MKV, WebM, AVI, MPEG-TS)"


class TruncatedMediaError(MediaError):
    code = "media_truncated"
    advice = "Upload the whole object again"


class NoFramesError(MediaError):
    code = "media_no_frames"
    advice = "Check that the file has a video stream with frames"


class MediaTooLargeError(MediaError):
    code = "media_too_large"
    advice = "Shrink the media, or raise the worker's limit if you trust where it comes from"


class BoundOutsideMediaError(MediaError):
    code = "bound_outside_media"
    advice = "Choose a bound inside the video"


class DecodeTimeoutError(MediaError):
    code = "decode_timeout"
    advice = "Re-encode the file, or raise REELMILL_DECODE_TIMEOUT_S"


class DecoderCrashedError(MediaError):
    code = "decoder_crashed"
    advice = "Re-encode the file; the sandboxed decoder could not survive it"


class DecoderUnavailableError(PipelineError):
    code = "decoder_unavailable"
    transient = True
    advice = "Check the worker's memory, process limit and installation; `reelmill doctor` tries a decoder"


class ScenesUnavailableError(PipelineError):
    code = "scenes_unavailable"
    transient = True
    advice = "Install reelmill[scenes] where the workers run"


class WholeFileNeededError(PipelineError):
    code = "whole_file_needed"


class ModelError(PipelineError):
    code = "model_error"


class CheckpointError(ModelError):
    code = "checkpoint_unusable"


class PromptError(ModelError):
    code = "prompt_invalid"


class ContextExceededError(ModelError):
    code = "context_exceeded"
    advice = "Use fewer segments or tiles, or a shorter question"


class ModelOutOfMemoryError(ModelError):
    code = "model_out_of_memory"
    advice = "Use fewer segments or tiles, or a GPU with more memory"


class ModelServerError(ModelError):
    code = "server_error"
    transient = True
    advice = "Look at the model server's log"


class ServerUnavailableError(ModelServerError):
    code = "server_unavailable"
    advice = "Check that the model server runs, and REELMILL_OPENAI_BASE_URL"


class ServerBusyError(ModelServerError):
    code = "server_busy"
    advice = "Lower REELMILL_OPENAI_CONCURRENCY, or give the model server more room"


class ServerDeniedError(ModelServerError):
    code = "server_denied"
    advice = "Check REELMILL_OPENAI_API_KEY, REELMILL_OPENAI_BASE_URL and REELMILL_MODEL"


class CancelledError(PipelineError):
    code = "cancelled"
