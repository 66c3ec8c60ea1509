"""Make fixture models of other number formats from `bert-mean`, for the runtime's tests.

    .venv/bin/python tools/make_variant_fixtures.py [FIXTURES]     # default: tabagent-runtime/tests/fixtures

Run it after make_fixtures.py, with the same requirements. Nothing here is random: the same input gives the same bytes.

    bert-int8   weights and activations in 8 bits, quantised at run time (DynamicQuantizeLinear, MatMulInteger): the scale
                of the activations is one for the whole batch
    bert-fp16   16-bit floats throughout, the output included
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers.float16 import convert_float_to_float16

SOURCE = "bert-mean"


def fresh(root: Path, name: str) -> Path:
    """A copy of the source without its graph and its reference."""
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / SOURCE, folder)
    (folder / "onnx" / "model.onnx").unlink()
    (folder / "reference.json").unlink()
    return folder


def main() -> None:
    default = Path(__file__).resolve().parent.parent / "tabagent-runtime" / "tests" / "fixtures"
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    source = root / SOURCE / "onnx" / "model.onnx"

    target = fresh(root, "bert-int8") / "onnx" / "model_quantized.onnx"
    quantize_dynamic(source, target, weight_type=QuantType.QInt8)
    operators = {node.op_type for node in onnx.load(str(target)).graph.node}
    if "MatMulInteger" not in operators:
        raise SystemExit(f"{target} is not quantised at run time: {sorted(operators)}")

    target = fresh(root, "bert-fp16") / "onnx" / "model_fp16.onnx"
    half = convert_float_to_float16(onnx.load(str(source)), keep_io_types=False)
    onnx.save(half, str(target))
    for name in ("bert-int8", "bert-fp16"):
        size = sum(path.stat().st_size for path in (root / name).rglob("*") if path.is_file())
        print(f"{name:14} {size / 1024:7.0f} KiB")


if __name__ == "__main__":
    main()
