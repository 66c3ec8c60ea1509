"""Export a decoder with optimum, called by `make_decoders.py` in an environment of its own: FOLDER OUTPUT."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
warnings.filterwarnings("ignore")

from optimum.exporters.onnx import main_export


def main() -> None:
    source, output = Path(sys.argv[1]), Path(sys.argv[2])
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        main_export(str(source), temporary, task="text-generation-with-past", dtype="fp32", do_validation=False)
        shutil.copyfile(Path(temporary) / "model.onnx", output / "model.onnx")


if __name__ == "__main__":
    main()
