"""A small Llama in torch, and its training. Parameters have transformers' names, so that the builder reads the weights.

The attention is grouped-query, positions are rotary, embedding and output share one table. Hidden matrices are trained
with Muon (momentum whose update is made orthogonal by a Newton-Schulz iteration), the table and the norms with Adam.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import nn


# How often a known word of a question goes without its own part of the table; the weight of the teacher's meaning.
BARE, MEANT = 0.25, 0.5
# Tokens of the softmax beside those that a batch says.
SAMPLED = 768


@dataclass
class Shape:
    """The sizes of the model, by the names of config.json."""

    vocab_size: int
    hidden_size: int = 192
    intermediate_size: int = 512
    num_hidden_layers: int = 4
    num_attention_heads: int = 6
    num_key_value_heads: int = 2
    head_dim: int = 32
    max_position_embeddings: int = 1024
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-5

    def config(self, end: int, pad: int) -> dict:
        return asdict(self) | {
            "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "attention_bias": False,
            "mlp_bias": False, "tie_word_embeddings": True, "rope_scaling": None, "torch_dtype": "float32",
            "use_cache": True, "bos_token_id": None, "eos_token_id": end, "pad_token_id": pad,
            "initializer_range": 0.02,
        }


class Norm(nn.Module):
    def __init__(self, size: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(size)), eps

    def forward(self, x):
        return functional.rms_norm(x, (x.shape[-1],), self.weight, self.eps)


def linear(inputs: int, outputs: int) -> nn.Linear:
    return nn.Linear(inputs, outputs, bias=False)


class Attention(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.q_proj = linear(shape.hidden_size, shape.num_attention_heads * shape.head_dim)
        self.k_proj = linear(shape.hidden_size, shape.num_key_value_heads * shape.head_dim)
        self.v_proj = linear(shape.hidden_size, shape.num_key_value_heads * shape.head_dim)
        self.o_proj = linear(shape.num_attention_heads * shape.head_dim, shape.hidden_size)

    def forward(self, x, cos, sin):
        rows, length, _ = x.shape
        q, k, v = (
            project(x).view(rows, length, -1, self.shape.head_dim).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        q, k = (turned(value, cos, sin) for value in (q, k))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))


def turned(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


class Mlp(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.gate_proj = linear(shape.hidden_size, shape.intermediate_size)
        self.up_proj = linear(shape.hidden_size, shape.intermediate_size)
        self.down_proj = linear(shape.intermediate_size, shape.hidden_size)

    def forward(self, x):
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Layer(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.input_layernorm = Norm(shape.hidden_size, shape.rms_norm_eps)
        self.self_attn = Attention(shape)
        self.post_attention_layernorm = Norm(shape.hidden_size, shape.rms_norm_eps)
        self.mlp = Mlp(shape)

    def forward(self, x, cos, sin):
        x = x + self.self_attn(self.input_layernorm(x), cos, sin)
        return x + self.mlp(self.post_attention_layernorm(x))


class Table(nn.Module):
    """Rows of tokens: what the teacher says of the word, turned by one matrix for all, and what the token has of its own.

    Tokens that no dialogue holds have nothing of their own, so they move with the words that mean about the same. Now and
    then a known word in a question goes without its own part, so that the common part is worth something.
    """

    def __init__(self, words: torch.Tensor, used: torch.Tensor, size: int):
        super().__init__()
        self.register_buffer("words", words)
        self.register_buffer("used", used[:, None].float())
        self.turn = nn.Parameter(torch.eye(words.shape[1], size))
        own = torch.randn(words.shape[0], size) * size**-0.5
        self.own = nn.Parameter(own * (words.norm(dim=1, keepdim=True) == 0))

    def parts(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Whole rows, and what of them the tokens have of their own where they have a common part as well."""
        own = self.own * self.used + self.own.detach() * (1 - self.used)
        return self.words @ self.turn + own, own * (self.words.norm(dim=1, keepdim=True) > 0)


class Trunk(nn.Module):
    def __init__(self, shape: Shape, table: Table):
        super().__init__()
        self.embed_tokens = table
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = Norm(shape.hidden_size, shape.rms_norm_eps)
        half = shape.head_dim // 2
        rates = shape.rope_theta ** (-torch.arange(half) / half)
        angles = torch.outer(torch.arange(shape.max_position_embeddings), rates).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, x):
        """What the layers make of rows of the table, [rows, length, hidden size]."""
        length = x.shape[1]
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return self.norm(x)


class Chat(nn.Module):
    """The trunk under the name that transformers gives it; logits come from the table of the embedding.

    `head` tells what the teacher makes of the question, from the last token before the answer; it is thrown away.
    """

    def __init__(self, shape: Shape, table: Table, teacher: int):
        super().__init__()
        self.model = Trunk(shape, table)
        self.head = linear(shape.hidden_size, teacher)
        nn.init.constant_(self.model.norm.weight, 0.2)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2 and "embed" not in name:
                nn.init.normal_(parameter, std=parameter.shape[1] ** -0.5)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)

    def folded(self) -> dict[str, torch.Tensor]:
        """The weights by the names of transformers' Llama."""
        kept = {name: value.detach().float().contiguous() for name, value in self.state_dict().items()
            if name != "head.weight" and "embed_tokens" not in name}
        return kept | {"model.embed_tokens.weight": self.model.embed_tokens.parts()[0].detach().contiguous()}


def orthogonal(update: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz: about U V^T of each matrix's singular value decomposition."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(4):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return x if wide else x.mT


class Muon(torch.optim.Optimizer):
    def __init__(self, parameters, lr: float, momentum: float = 0.95, decay: float = 0.01):
        super().__init__(parameters, {"lr": lr, "momentum": momentum, "decay": decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            by_shape: dict[torch.Size, list] = {}
            for parameter in group["params"]:
                by_shape.setdefault(parameter.shape, []).append(parameter)
            for shape, parameters in by_shape.items():
                updates = []
                for parameter in parameters:
                    state = self.state.setdefault(parameter, {})
                    kept = state.setdefault("momentum", torch.zeros_like(parameter))
                    kept.lerp_(parameter.grad, 1 - group["momentum"])
                    updates.append(parameter.grad.lerp(kept, group["momentum"]))
                scale = max(1.0, shape[0] / shape[1]) ** 0.5
                for parameter, update in zip(parameters, orthogonal(torch.stack(updates))):
                    parameter.mul_(1 - group["lr"] * group["decay"])
                    parameter.add_(update, alpha=-group["lr"] * scale)


def loss_of(model: Chat, batch, vectors: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, float, float]:
    """The weighted mean over what the model has to say, and how far the question's meaning is from the teacher's."""
    ids, weights, at = (torch.from_numpy(value) for value in batch)
    whole, own = model.model.embed_tokens.parts()
    bare = (torch.rand(ids.shape, generator=generator) < BARE) & (weights == 0)
    hidden = model.model(functional.embedding(ids[:, :-1], whole)
        - functional.embedding(ids[:, :-1], own) * bare[:, :-1, None])
    wanted = weights[:, 1:] > 0
    right = ids[:, 1:][wanted]
    # The softmax is over what the batch says and a sample of the other tokens.
    tokens = torch.unique(torch.cat([right, torch.randint(len(whole), (SAMPLED,), generator=generator)]))
    logits = functional.linear(hidden[wanted], whole[tokens])
    each = functional.cross_entropy(logits, torch.searchsorted(tokens, right), reduction="none")
    given = weights[:, 1:][wanted]
    said = (each * given).sum() / given.sum()
    rows = torch.nonzero(at >= 0)[:, 0]
    if not len(rows):
        return said, said.item(), math.nan
    last = (weights[rows, 1:] > 0).int().argmax(1)
    guess = model.head(hidden[rows, last])
    meant = 1 - functional.cosine_similarity(guess, vectors[at[rows]].float(), dim=1).mean()
    return said + MEANT * meant, said.item(), meant.item()


def train(model: Chat, batches, vectors: torch.Tensor, steps: int, checkpoint: Path, every: float, on_checkpoint,
          fall: float = 0.7, peak: float = 1.0) -> None:
    """`batches` yields (ids, weights, places in `vectors`); `vectors` are the teacher's.

    The state is written to `checkpoint` every so many seconds and read from there, so that a training that was broken
    off goes on; what it then reads are other dialogues than those that it would have read.
    """
    named = list(model.named_parameters())
    optimizers = [
        Muon([p for name, p in named if p.dim() == 2 and "embed" not in name and "head" not in name], lr=0.02),
        torch.optim.Adam([
            {"params": [p for name, p in named if p.dim() != 2 or "head" in name], "lr": 0.004},
            {"params": [p for name, p in named if name.endswith("embed_tokens.own")], "lr": 0.002},
            {"params": [p for name, p in named if name.endswith("embed_tokens.turn")], "lr": 0.0006},
        ], betas=(0.9, 0.98)),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"] * peak
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        first = state["step"]
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            peaks = [group["peak"] for group in optimizer.param_groups]
            optimizer.load_state_dict(saved)
            for group, rate in zip(optimizer.param_groups, peaks):
                group["peak"] = rate
        print(f"goes on from step {first}", flush=True)
    generator = torch.Generator().manual_seed(first)
    started = shown = saved_at = measured_at = time.time()
    tokens, losses = 0, []
    for step in range(first, steps):
        rate = min(1.0, (step + 1) / 40) * min(1.0, (steps - step) / (fall * steps))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate
        batch = next(batches)
        loss, *parts = loss_of(model, batch, vectors, generator)
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad(set_to_none=True)
        tokens += batch[0].size
        losses.append(parts)
        now = time.time()
        if now - shown > 20 or step + 1 == steps:
            said, meant = np.nanmean(losses, axis=0)
            print(f"step {step + 1} of {steps}: loss {said:.4f}, meaning {meant:.3f}, {tokens / (now - started):.0f} tokens/s, "
                  f"{now - started:.0f} s", flush=True)
            shown, losses = now, []
        if now - saved_at > 90 or step + 1 == steps:
            saved_at = now
            state = {"step": step + 1, "model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").rename(checkpoint)
            if step + 1 < steps and now - measured_at > every:
                on_checkpoint(step + 1)
                measured_at = time.time()


def parameters(model: Chat) -> int:
    """Of the model as it is exported."""
    return sum(value.numel() for value in model.folded().values())


def finite(model: Chat) -> bool:
    return all(math.isfinite(float(parameter.detach().abs().max())) for parameter in model.parameters())
