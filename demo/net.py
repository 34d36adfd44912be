"""A plain torch InternVL2.5 for training: module names are those of the original checkpoint layout.

`Shapes.state_dict()` is what is published; inference is done by `pipelines.model`, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from demo.attention import Spans, attend, attention


@dataclass(frozen=True)
class Size:
    """Numbers of the architecture; pixels for `tile` and `patch`."""

    vocabulary: int
    tile: int = 112
    patch: int = 14
    vit_width: int = 192
    vit_inner: int = 640
    vit_layers: int = 4
    vit_heads: int = 6
    width: int = 192
    inner: int = 512
    layers: int = 4
    heads: int = 6
    kv_heads: int = 2
    rope_theta: float = 10000.0

    @property
    def side(self) -> int:
        return self.tile // self.patch


class VisionAttention(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.heads = size.vit_heads
        self.qkv = nn.Linear(size.vit_width, 3 * size.vit_width)
        self.proj = nn.Linear(size.vit_width, size.vit_width)

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        q, k, v = self.qkv(x).view(n, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        out = attention(q, k, v)
        return self.proj(out.transpose(1, 2).reshape(n, length, width))  # type: ignore[no-any-return]


class VisionMlp(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.fc1 = nn.Linear(size.vit_width, size.vit_inner)
        self.fc2 = nn.Linear(size.vit_inner, size.vit_width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))  # type: ignore[no-any-return]


class VisionLayer(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.attn, self.mlp = VisionAttention(size), VisionMlp(size)
        self.norm1 = nn.LayerNorm(size.vit_width, eps=1e-6)
        self.norm2 = nn.LayerNorm(size.vit_width, eps=1e-6)
        self.ls1 = nn.Parameter(torch.full((size.vit_width,), 0.5))
        self.ls2 = nn.Parameter(torch.full((size.vit_width,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x)) * self.ls1
        out: Tensor = x + self.mlp(self.norm2(x)) * self.ls2
        return out


class VisionEmbeddings(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(0.02 * torch.randn(1, 1, size.vit_width))
        self.patch_embedding = nn.Conv2d(3, size.vit_width, size.patch, size.patch)
        grid = _sincos(size.side, size.vit_width)
        self.position_embedding = nn.Parameter(torch.cat([torch.zeros(1, size.vit_width), grid])[None])

    def forward(self, pixels: Tensor) -> Tensor:
        x = self.patch_embedding(pixels).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_embedding.expand(len(x), -1, -1), x], dim=1)
        return x + self.position_embedding


class Vision(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.embeddings = VisionEmbeddings(size)
        self.encoder = nn.Module()
        self.encoder.layers = nn.ModuleList(VisionLayer(size) for _ in range(size.vit_layers))

    def forward(self, pixels: Tensor) -> Tensor:
        """Normalised pixels [n, 3, tile, tile] to patch features [n, side * side, width], CLS dropped."""
        x = self.embeddings(pixels)
        for layer in cast(nn.ModuleList, self.encoder.layers):
            x = layer(x)
        return x[:, 1:]  # type: ignore[no-any-return]


class TextAttention(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.head = size.width // size.heads
        self.q_proj = nn.Linear(size.width, size.heads * self.head)
        self.k_proj = nn.Linear(size.width, size.kv_heads * self.head)
        self.v_proj = nn.Linear(size.width, size.kv_heads * self.head)
        self.o_proj = nn.Linear(size.heads * self.head, size.width, bias=False)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], spans: Spans) -> Tensor:
        n, length, _ = x.shape
        q, k, v = (p(x).view(n, length, -1, self.head).transpose(1, 2) for p in (self.q_proj, self.k_proj, self.v_proj))
        out = attend(_rotate(q, rope), _rotate(k, rope), v, spans).transpose(1, 2).reshape(n, length, -1)
        return self.o_proj(out)  # type: ignore[no-any-return]


class TextMlp(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(size.width, size.inner, bias=False)
        self.up_proj = nn.Linear(size.width, size.inner, bias=False)
        self.down_proj = nn.Linear(size.inner, size.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))  # type: ignore[no-any-return]


class TextLayer(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.self_attn, self.mlp = TextAttention(size), TextMlp(size)
        self.input_layernorm = nn.RMSNorm(size.width, eps=1e-6)
        self.post_attention_layernorm = nn.RMSNorm(size.width, eps=1e-6)

    def forward(self, x: Tensor, rope: tuple[Tensor, Tensor], spans: Spans) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), rope, spans)
        return x + self.mlp(self.post_attention_layernorm(x))  # type: ignore[no-any-return]


class Text(nn.Module):
    def __init__(self, size: Size) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(size.vocabulary, size.width)
        self.layers = nn.ModuleList(TextLayer(size) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.width, eps=1e-6)


class Shapes(nn.Module):
    """ViT, pixel shuffle v2, mlp1 and a Qwen2 language model with untied embeddings."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.vision_model = Vision(size)
        merged = 4 * size.vit_width
        self.mlp1 = nn.Sequential(
            nn.LayerNorm(merged), nn.Linear(merged, size.width), nn.GELU(), nn.Linear(size.width, size.width)
        )
        head = nn.Linear(size.width, size.vocabulary, bias=False)
        self.language_model = nn.ModuleDict({"model": Text(size), "lm_head": head})
        _initialise(self)

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.vision_model.embeddings.class_embedding.device

    def see(self, tiles: Tensor) -> Tensor:
        """uint8 [n, tile, tile, 3] to visual tokens [n, 16, width]."""
        return self.mlp1(shuffle(self.vision_model(normalise(tiles)), self.size.side))  # type: ignore[no-any-return]

    def read(self, embeds: Tensor, positions: Tensor, spans: Spans = ()) -> Tensor:
        """Embeddings [n, length, width] and positions int [n, length] to states; `spans` as in `attend`."""
        model = self.language_model["model"]
        rope = rotations(positions, self.size)
        for layer in model.layers:  # type: ignore[union-attr]
            embeds = layer(embeds, rope, spans)
        return model.norm(embeds)  # type: ignore[operator,no-any-return]


def normalise(tiles: Tensor) -> Tensor:
    """uint8 [n, h, w, 3] to ImageNet-normalised float32 [n, 3, h, w]."""
    mean = torch.tensor((0.485, 0.456, 0.406), device=tiles.device).view(1, 3, 1, 1) * 255
    std = torch.tensor((0.229, 0.224, 0.225), device=tiles.device).view(1, 3, 1, 1) * 255
    return (tiles.permute(0, 3, 1, 2).float() - mean) / std


def shuffle(features: Tensor, side: int) -> Tensor:
    """Pixel shuffle v2 at 0.5: [n, side * side, c] to [n, side * side / 4, 4 c]; row-major cells of 2 x 2 patches."""
    n, _, width = features.shape
    x = features.view(n, side, side // 2, 2 * width).transpose(1, 2)
    x = x.reshape(n, side // 2, side // 2, 4 * width).transpose(1, 2)
    return x.reshape(n, (side // 2) ** 2, 4 * width)


def rotations(positions: Tensor, size: Size) -> tuple[Tensor, Tensor]:
    """cos and sin, float32 [n, 1, length, head]."""
    head = size.width // size.heads
    frequencies = size.rope_theta ** (-torch.arange(0, head, 2, device=positions.device).float() / head)
    angles = positions[:, None, :, None].float() * torch.cat([frequencies, frequencies])
    return angles.cos(), angles.sin()


def _rotate(x: Tensor, rope: tuple[Tensor, Tensor]) -> Tensor:
    cos, sin = rope[0].to(x.dtype), rope[1].to(x.dtype)
    one, two = x.chunk(2, dim=-1)
    return x * cos + torch.cat([-two, one], dim=-1) * sin


def _sincos(side: int, width: int) -> Tensor:
    """[side * side, width]: a start that already knows rows from columns."""
    frequencies = 100.0 ** (-torch.arange(width // 4).float() / (width // 4))
    angles = torch.arange(side).float()[:, None] * frequencies
    line = torch.cat([angles.sin(), angles.cos()], dim=1)
    rows, columns = line[:, None].expand(-1, side, -1), line[None].expand(side, -1, -1)
    return 0.3 * torch.cat([rows, columns], dim=-1).reshape(side * side, width)


def _initialise(model: Shapes) -> None:
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            nn.init.zeros_(parameter)
        elif parameter.dim() >= 2 and "position_embedding" not in name and "class_embedding" not in name:
            fan_in = parameter[0].numel()
            scale = 0.4 if name.endswith(("down_proj.weight", "o_proj.weight")) else 1.0
            nn.init.normal_(parameter, std=0.02 if "embed_tokens" in name else scale * fan_in**-0.5)
    nn.init.normal_(model.language_model["lm_head"].weight, std=0.02)  # type: ignore[arg-type]
