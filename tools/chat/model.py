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
        return functional.rms_norm(x.float(), (x.shape[-1],), self.weight, self.eps)


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
        repeats = self.shape.num_attention_heads // self.shape.num_key_value_heads
        k, v = (value.repeat_interleave(repeats, dim=1) for value in (k, v))
        mixed = functional.scaled_dot_product_attention(q, k, v.to(q.dtype), is_causal=True)
        return self.o_proj(mixed.transpose(1, 2).reshape(rows, length, -1))


def turned(x, cos, sin):
    first, second = x.chunk(2, dim=-1)
    return (x * cos + torch.cat((-second, first), dim=-1) * sin).to(x.dtype)


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


class Trunk(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocab_size, shape.hidden_size)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.num_hidden_layers))
        self.norm = Norm(shape.hidden_size, shape.rms_norm_eps)
        half = shape.head_dim // 2
        rates = shape.rope_theta ** (-torch.arange(half) / half)
        angles = torch.outer(torch.arange(shape.max_position_embeddings), rates).repeat(1, 2)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)

    def forward(self, ids):
        length = ids.shape[1]
        x = self.embed_tokens(ids)
        for layer in self.layers:
            x = layer(x, self.cos[:length], self.sin[:length])
        return self.norm(x)


class Chat(nn.Module):
    """The trunk under the name that transformers gives it; logits come from the table of the embedding."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.model = Trunk(shape)
        for name, parameter in self.named_parameters():
            if parameter.dim() == 2:
                nn.init.normal_(parameter, std=0.02 if "embed" in name else parameter.shape[1] ** -0.5)
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                nn.init.zeros_(parameter)

    def logits(self, hidden):
        return functional.linear(hidden, self.model.embed_tokens.weight)


def orthogonal(update: torch.Tensor) -> torch.Tensor:
    """Newton-Schulz: about U V^T of each matrix's singular value decomposition."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = update.bfloat16()
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = a * x + (b * square + c * square @ square) @ x
    return (x if wide else x.mT).float()


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


def train(model: Chat, batches, steps: int, checkpoint: Path, every: float, on_checkpoint, fall: float = 0.7) -> None:
    """`batches` yields (ids, weights), both [rows, length]; the loss is the weighted mean over what the model has to say.

    The state is written to `checkpoint` every so many seconds and read from there, so that a training that was broken
    off goes on; what it then reads are other dialogues than those that it would have read.
    """
    matrices = [p for name, p in model.named_parameters() if p.dim() == 2 and "embed" not in name]
    others = [p for name, p in model.named_parameters() if p.dim() != 2 or "embed" in name]
    optimizers = [
        Muon(matrices, lr=0.02),
        torch.optim.Adam(others, lr=0.004, betas=(0.9, 0.98)),
    ]
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint)
        first = state["step"]
        model.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"]):
            optimizer.load_state_dict(saved)
        print(f"goes on from step {first}", flush=True)
    started = shown = saved_at = time.time()
    tokens, losses = 0, []
    for step in range(first, steps):
        rate = min(1.0, (step + 1) / 40) * min(1.0, (steps - step) / (fall * steps))
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * rate
        ids, weights = (torch.from_numpy(value) for value in next(batches))
        with torch.autocast("cpu", torch.bfloat16):
            hidden = model.model(ids[:, :-1])
            wanted = weights[:, 1:] > 0
            logits = model.logits(hidden[wanted])
        each = functional.cross_entropy(logits.float(), ids[:, 1:][wanted], reduction="none")
        given = weights[:, 1:][wanted]
        loss = (each * given).sum() / given.sum()
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad(set_to_none=True)
        tokens += ids.numel()
        losses.append(loss.item())
        now = time.time()
        if now - shown > 20 or step + 1 == steps:
            print(f"step {step + 1} of {steps}: loss {np.mean(losses):.4f}, {tokens / (now - started):.0f} tokens/s, "
                  f"{now - started:.0f} s", flush=True)
            shown, losses = now, []
        if now - saved_at > every or step + 1 == steps:
            saved_at = now
            state = {"step": step + 1, "model": model.state_dict(), "optimizers": [o.state_dict() for o in optimizers]}
            torch.save(state, checkpoint.with_suffix(".tmp"))
            checkpoint.with_suffix(".tmp").rename(checkpoint)
            if step + 1 < steps:
                on_checkpoint(step + 1)


def parameters(model: Chat) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def finite(model: Chat) -> bool:
    return all(math.isfinite(float(parameter.detach().abs().max())) for parameter in model.parameters())
