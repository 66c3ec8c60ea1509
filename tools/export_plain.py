"""Export a decoder with optimum, called by `make_decoders.py` in an environment of its own: FOLDER OUTPUT KIND.

    plain         OUTPUT/model.onnx, as optimum's command line makes it
    no-positions  the same without `position_ids`: the graph counts positions itself
    half          the first, and beside it model_fp16.onnx: weights, logits and cache in float16
    merged        OUTPUT/decoder_model_merged.onnx, the form of older exports: a first run and a later one behind an If
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

import onnx
import torch
from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
from optimum.exporters.onnx import main_export
from optimum.exporters.onnx.convert import export
from optimum.exporters.tasks import TasksManager
from optimum.onnx import merge_decoders
from transformers import AutoConfig, AutoModelForCausalLM

BLOCKED = [*DEFAULT_OP_BLOCK_LIST, "Pow", "ReduceMean", "Sqrt", "Reciprocal", "Sin", "Cos"]


def configuration(model_config, kind: str, past: bool):
    """How optimum would export the model, with or without positions and past keys and values in the inputs."""
    base = TasksManager.get_exporter_config_constructor(
        "onnx", model_type=model_config.model_type, task="text-generation", library_name="transformers"
    ).func

    class Configuration(base):
        @property
        def inputs(self):
            inputs = super().inputs
            if kind == "no-positions":
                inputs.pop("position_ids", None)
            return inputs

    return Configuration(model_config, task="text-generation", use_past=True, use_past_in_inputs=past)


def single(source: Path, output: Path, kind: str) -> None:
    custom = {} if kind != "no-positions" else {
        "custom_onnx_configs": {"model": configuration(AutoConfig.from_pretrained(source), kind, True)}
    }
    with tempfile.TemporaryDirectory() as temporary:
        main_export(
            str(source), temporary, task="text-generation-with-past", dtype="fp32", do_validation=False, **custom
        )
        shutil.copyfile(Path(temporary) / "model.onnx", output / "model.onnx")


def half(output: Path) -> None:
    """Float16 throughout, as the conversion for web browsers makes it; sums and powers in norms stay in float32."""
    model = convert_float_to_float16(onnx.load(output / "model.onnx"), keep_io_types=False, op_block_list=BLOCKED)
    onnx.save(model, output / "model_fp16.onnx")


def merged(source: Path, output: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.float32).eval()
    model.config.use_cache = True
    with tempfile.TemporaryDirectory() as temporary:
        paths = [Path(temporary) / "first.onnx", Path(temporary) / "later.onnx"]
        for path, past in zip(paths, [False, True]):
            config = configuration(model.config, "merged", past)
            export(model=model, config=config, output=path, opset=config.DEFAULT_ONNX_OPSET)
        merge_decoders(*paths, save_path=output / "decoder_model_merged.onnx")


def main() -> None:
    source, output, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    output.mkdir(parents=True, exist_ok=True)
    if kind == "merged":
        merged(source, output)
    else:
        single(source, output, kind)
        if kind == "half":
            half(output)


if __name__ == "__main__":
    main()
