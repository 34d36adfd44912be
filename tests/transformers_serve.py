"""`transformers serve` as it is, but for the video part of the InternVL processor, which would need torchvision.

Run as `python -m tests.transformers_serve MODEL --port N …`; the arguments are those of `transformers serve`.
"""

from __future__ import annotations

import sys

from transformers.cli.transformers import main
from transformers.models.internvl.processing_internvl import InternVLProcessor

InternVLProcessor.get_attributes = classmethod(lambda cls: ["image_processor", "tokenizer"])
sys.argv[1:1] = ["serve"]
main()
