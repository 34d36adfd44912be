"""A process of its own that answers recorded conversations with models spread over devices that are pretended.

`python spread_pass.py CASE:LAYERS[:unconnected] …`, LAYERS like 0,1,0: the device of each layer. Prints a line of JSON
for each. torch gets a backend for it, which it then has for good: the tests' own process must not.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

# Views of pretended tensors exist outside inference mode only; the numbers are the same.
torch.inference_mode = torch.no_grad  # type: ignore[assignment, misc]
_tensor = torch.tensor


def _tensor_on(data: Any, device: Any = None, **kwargs: Any) -> torch.Tensor:
    made = _tensor(data, **kwargs)
    return made if device is None else made.to(device)


torch.tensor = _tensor_on

sys.path.insert(0, str(Path(__file__).parents[3]))

from torch.utils.backend_registration import _setup_privateuseone_for_python_backend  # noqa: E402

from benchmarks._golden import GoldenCase  # noqa: E402
from pipelines.model import engine, loading  # noqa: E402
from pipelines.model.checkpoint import Checkpoint, open_checkpoint  # noqa: E402
from pipelines.model.device_map import DeviceMap  # noqa: E402
from pipelines.model.internvl import InternVL  # noqa: E402
from pipelines.model.weights import read_tensors  # noqa: E402
from tests.unit.model.pretend_devices import CPU, PretendedDevices  # noqa: E402

CONVERSATIONS = ("text", "single_image_other", "multi_image_separate_round2", "video", "history_clean")


def main(runs: Sequence[str]) -> None:
    _setup_privateuseone_for_python_backend()
    real = engine.run_batch
    engine.run_batch = lambda *arguments: in_pretence(real, arguments)  # type: ignore[assignment]
    for run in runs:
        case, layers, *flags = run.split(":")
        with PretendedDevices():
            model = spread(case, tuple(map(int, layers.split(","))), connected="unconnected" not in flags)
        print(json.dumps(answered(model, GoldenCase(Path(case)))))  # noqa: T201


def answered(model: InternVL, case: GoldenCase) -> dict[str, Any]:
    rows = [case.rows(name)[0] for name in CONVERSATIONS]
    simple = engine.SimpleEngine(model)
    futures = [simple.submit(row.request()) for row in rows]
    errors = [str(error) for future in futures if (error := future.exception()) is not None]
    said = [] if errors else [list(future.result().token_ids) for future in futures]
    simple.close()
    return {
        "said": said,
        "recorded": [list(row.generated_ids) for row in rows],
        "errors": errors,
        "held": {name: value.device.index for name, value in model.network.named_parameters()},
        "served_on": model.info.device,
    }


def spread(case: str, layers: tuple[int, ...], *, connected: bool) -> InternVL:
    opened = open_checkpoint(case)
    plan = loading.plan_network(opened.files.directory, opened.config)
    devices = tuple(torch.device("privateuseone", index) for index in range(max(layers) + 1))
    places = DeviceMap(devices, layers)
    loading.read_tensors = read_to  # safetensors does not know the backend
    if not connected:
        loading.connect_devices = lambda *_: None
    network = plan.load(places, torch.float32)
    checkpoint = Checkpoint(opened.files, plan.config, opened.template, opened.tokenizer, network, places, "none")
    return InternVL(checkpoint, past_window=True)


def read_to(file: Path, devices: Mapping[str, torch.device]) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in read_tensors(file, dict.fromkeys(devices, CPU)):
        yield name, tensor.to(devices[name])


def in_pretence(run_batch: Any, arguments: Any) -> Any:
    """Each thread has modes of its own."""
    with PretendedDevices():
        return run_batch(*arguments)


if __name__ == "__main__":
    main(sys.argv[1:])
