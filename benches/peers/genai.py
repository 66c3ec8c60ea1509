"""onnxruntime-genai: its generator over the graph that TabAgent runs, one batch for streams that run together."""

import argparse
import importlib.metadata
import json
from pathlib import Path

import numpy
import onnxruntime_genai as og

from generation import obey


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    config = og.Config(str(arguments.folder))
    session = {"intra_op_num_threads": arguments.threads, "inter_op_num_threads": 1}
    config.overlay(json.dumps({"model": {"decoder": {"session_options": session}}}))
    model = og.Model(config)

    def start(prompts, tokens):
        # Its cache is allocated here, for this length and no more.
        length = len(prompts[0]) + tokens
        options = og.GeneratorParams(model)
        options.set_search_options(
            batch_size=len(prompts), max_length=length, min_length=length, do_sample=False, top_k=1
        )
        return steps(og.Generator(model, options), numpy.array(prompts, dtype=numpy.int32), tokens)

    def steps(generator, prompts, tokens):
        generator.append_tokens(prompts)
        for _ in range(tokens):
            generator.generate_next_token()
            yield generator.get_next_tokens().tolist()

    version = importlib.metadata.version
    obey(f"onnxruntime-genai {version('onnxruntime-genai')}, onnxruntime {version('onnxruntime')}", start)


if __name__ == "__main__":
    main()
