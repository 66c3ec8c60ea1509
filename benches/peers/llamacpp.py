"""llama.cpp through the C interface that llama-cpp-python binds: one context, a sequence for each stream.

The high-level class runs one sequence at a time, so the batches are put together here. Everything that it leaves open is
llama.cpp's default: a cache in half precision, parts of 512 tokens, flash attention where it is supported.
"""

import argparse
import ctypes
import importlib.metadata
from pathlib import Path

import llama_cpp
import numpy

from generation import obey


class Batch:
    """Tokens of several sequences; of those marked the logits are computed."""

    def __init__(self, capacity):
        self.inner = llama_cpp.llama_batch_init(capacity, 0, 1)

    def fill(self, tokens):
        """`tokens` are (id, position, sequence, whether its logits are wanted)."""
        batch = self.inner
        batch.n_tokens = len(tokens)
        for place, (token, position, sequence, wanted) in enumerate(tokens):
            batch.token[place] = token
            batch.pos[place] = position
            batch.n_seq_id[place] = 1
            batch.seq_id[place][0] = sequence
            batch.logits[place] = wanted


class Streams:
    """A context with a sequence for each prompt; it is freed with the object."""

    def __init__(self, model, threads, prompts, tokens):
        options = llama_cpp.llama_context_default_params()
        # Each sequence has a share of the context, in steps of 256 tokens.
        options.n_ctx = len(prompts) * -(-(len(prompts[0]) + tokens) // 256) * 256
        options.n_batch = max(options.n_batch, len(prompts) * len(prompts[0]))
        options.n_seq_max = len(prompts)
        options.n_threads = options.n_threads_batch = threads
        self.context = llama_cpp.llama_init_from_model(model, options)
        if not self.context:
            raise SystemExit("llama.cpp made no context")
        self.prompts, self.tokens = prompts, tokens
        self.vocabulary = llama_cpp.llama_vocab_n_tokens(llama_cpp.llama_model_get_vocab(model))
        self.batch = Batch(len(prompts) * len(prompts[0]))

    def close(self):
        llama_cpp.llama_batch_free(self.batch.inner)
        llama_cpp.llama_free(self.context)

    def run(self, places):
        """Decodes what is in the batch and returns the likeliest token at each of the places."""
        if llama_cpp.llama_decode(self.context, self.batch.inner) != 0:
            raise SystemExit("llama.cpp failed to decode")
        ids = []
        for place in places:
            pointer = llama_cpp.llama_get_logits_ith(self.context, place)
            logits = numpy.ctypeslib.as_array(ctypes.cast(pointer, ctypes.POINTER(ctypes.c_float)), (self.vocabulary,))
            ids.append(int(logits.argmax()))
        return ids

    def steps(self):
        length, count = len(self.prompts[0]), len(self.prompts)
        self.batch.fill([
            (token, position, sequence, position == length - 1)
            for sequence, prompt in enumerate(self.prompts)
            for position, token in enumerate(prompt)
        ])
        ids = self.run([(sequence + 1) * length - 1 for sequence in range(count)])
        yield ids
        for position in range(length, length + self.tokens - 1):
            self.batch.fill([(token, position, sequence, True) for sequence, token in enumerate(ids)])
            ids = self.run(range(count))
            yield ids
        self.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    llama_cpp.llama_backend_init()
    model = llama_cpp.llama_model_load_from_file(
        str(arguments.file).encode(), llama_cpp.llama_model_default_params()
    )
    if not model:
        raise SystemExit(f"llama.cpp cannot load {arguments.file}")
    obey(
        f"llama-cpp-python {importlib.metadata.version('llama-cpp-python')}",
        lambda prompts, tokens: Streams(model, arguments.threads, prompts, tokens).steps(),
    )


if __name__ == "__main__":
    main()
