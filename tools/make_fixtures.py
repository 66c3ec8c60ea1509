"""Make the small fixture models that the runtime's tests load, with reference outputs.

    python -m venv .venv && .venv/bin/pip install -r tools/requirements-models.txt
    .venv/bin/python tools/make_fixtures.py [OUTPUT]       # default: tabagent-runtime/tests/fixtures

Every model has a public architecture, random weights from a fixed seed and a tokenizer built here from the text below,
so nothing is downloaded and nothing is anyone's work but ours. Each folder is laid out like a Hugging Face
repository with an ONNX export, and holds `reference.json`: what sentence-transformers (float32, one text at a time)
makes of the texts in it. No weights but the ONNX file are kept.

    bert-cls      BERT, CLS pooling, Normalize; the forms that sentence-transformers 5 and later write
    bert-classic  BERT, CLS pooling, no Normalize; the classic forms, shorter max length in sentence_bert_config.json
    bert-mean     BERT, mean pooling, Normalize, Matryoshka dimensions in config.json
    e5-prompts    BERT, mean pooling, Normalize, prompts `query: ` and `passage: `
    xlmr-mean     XLM-RoBERTa (no token_type_ids, positions from the padding id), mean pooling, Unigram tokenizer
    bert-cross    BERT for sequence classification with one label: a cross-encoder; pairs, logits and scores
    bert-broken   bert-cls with its ONNX file cut short: a model that must be refused
"""

from __future__ import annotations

import json
import logging
import math
import os
import shutil
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"
os.environ["TRANSFORMERS_VERBOSITY"] = "error"
warnings.filterwarnings("ignore")
logging.getLogger("torch.onnx").setLevel(logging.ERROR)

import numpy as np
import torch
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers import __version__ as st_version
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaModel,
)

from onnx_export import export

SEED = 20_261
HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS = 32, 2, 2, 64, 64
BERT_INPUTS = ["input_ids", "attention_mask", "token_type_ids"]

# What the vocabularies are built from: enough scripts to make their vocabularies interesting.
TRAINING_TEXT = """
The quick brown fox jumps over the lazy dog while seven wizards quietly box up the judge's vexing jam.
A server answers requests; a client asks questions, reads answers and tries again when the network fails.
Embedding models turn sentences into vectors, and vectors that point the same way mean similar things.
Paris is the capital of France. Berlin is the capital of Germany. Tokyo is the capital of Japan.
Water boils at one hundred degrees and freezes at zero. Bread needs flour, water, salt and yeast.
Programs are written for people to read, and only incidentally for machines to execute.
The river flows from the mountains to the sea, carrying sand, leaves and small stones along its bed.
Query the index, rank the passages, return the best ten documents with their scores and their sources.
Das Wetter ist heute schön, aber morgen soll es regnen. Der schnelle Fuchs springt über den faulen Hund.
Le renard brun saute par-dessus le chien paresseux. Où est la bibliothèque ? Ça va très bien, merci.
El zorro marrón salta sobre el perro perezoso. ¿Dónde está la estación de tren? Mañana será otro día.
Быстрая коричневая лиса прыгает через ленивую собаку. Москва — столица России.
敏捷的棕色狐狸跳过懒狗。今天天气很好。東京は日本の首都です。猫が好きです。
0 1 2 3 4 5 6 7 8 9 10 42 100 1000 2026 3.14 50% $20 #1 a+b=c x*y <tag> {json: "value"} [list] user@example.org
""".strip().splitlines()

LONG = (
    "The river flows from the mountains to the sea, and every village along it tells another story about the flood "
    "that came in the spring when the old bridge was carried away; "
) * 8

TEXTS = [
    "Hello, world!",
    "The quick brown fox jumps over the lazy dog.",
    "What is the capital of France?",
    "Paris is the capital of France.",
    "Bread needs flour, water, salt and yeast.",
    "a",
    ".",
    " ",
    "",
    "   leading and trailing spaces\t\nand a line break   ",
    "UPPER lower MiXeD cAsE",
    "naïve café, coöperate, Ångström, São Paulo",
    "e\u0301 decomposed and \u00e9 composed",
    "Где находится библиотека? Москва — столица России.",
    "今天天气很好。東京は日本の首都です。",
    "עברית ועربية مختلطة",
    "emoji 🙂👩‍🚀 and symbols ∑∂√ → ≠ ½ ﬁ Ⅳ",
    "zero\u200bwidth\u00a0no-break\u00adsoft",
    "control\x01chars\x7fand\ufffdreplacement",
    "[CLS] special [SEP] looking [MASK] text <s> </s> <pad> [PAD]",
    "don't can't won't it's 3.14 1,000,000 50% a+b=c user@example.org {\"json\": [1, 2]}",
    "supercalifragilisticexpialidocious" * 4,
    "x" * 150,
    LONG,
]

PAIRS = [
    ["What is the capital of France?", "Paris is the capital of France."],
    ["What is the capital of France?", "Bread needs flour, water, salt and yeast."],
    ["what do I need for bread", "Bread needs flour, water, salt and yeast."],
    ["", "An empty query."],
    ["An empty document.", ""],
    ["Где столица?", "Москва — столица России."],
    ["天气", "今天天气很好。"],
    ["river", LONG],
    [LONG, "The river flows."],
    [LONG, LONG],
    ["Hello [SEP] there", "emoji 🙂 ½ naïve"],
    ["fox", "The quick brown fox jumps over the lazy dog."],
]


def substrings(words: list[str], longest: int) -> list[tuple[str, int]]:
    """Every substring of the words with its count, most useful (count times length) first.

    The trainers of the tokenizers crate break ties by hash order, so two runs give two vocabularies; this one repeats.
    """
    counts: dict[str, int] = {}
    for word in words:
        for start in range(len(word)):
            for end in range(start + 1, min(len(word), start + longest) + 1):
                counts[word[start:end]] = counts.get(word[start:end], 0) + 1
    return sorted(counts.items(), key=lambda item: (-item[1] * len(item[0]), item[0]))


def wordpiece() -> Tokenizer:
    """A lower-casing WordPiece tokenizer as BERT's, with 400 pieces."""
    normalizer, splitter = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = [
        word
        for line in TRAINING_TEXT
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line))
    ]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted({character for word in words for character in word})
    vocabulary += characters
    vocabulary += [f"##{character}" for character in characters if character.isascii() and character.isalnum()]
    starts = {word[:end] for word in words for end in range(2, len(word) + 1)}
    for piece, count in substrings(words, 8):
        if len(vocabulary) == 400:
            break
        if len(piece) > 1 and count > 1:
            vocabulary.append(piece if piece in starts and piece in words else f"##{piece}")
    vocabulary = list(dict.fromkeys(vocabulary))
    tokenizer = Tokenizer(
        models.WordPiece(
            {piece: index for index, piece in enumerate(vocabulary)}, unk_token="[UNK]", max_input_chars_per_word=100
        )
    )
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 2), ("[SEP]", 3)],
    )
    return tokenizer


def unigram() -> Tokenizer:
    """A Unigram tokenizer as XLM-R's (ids 0 to 3 are <s> <pad> </s> <unk>, the last is <mask>), with 420 pieces."""
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    splitter = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    words = [
        word
        for line in TRAINING_TEXT
        for word, _ in splitter.pre_tokenize_str(normalizer.normalize_str(line))
    ]
    ranked = substrings(words, 8)
    total = sum(count for _, count in ranked)
    single = [(piece, count) for piece, count in ranked if len(piece) == 1]
    longer = [(piece, count) for piece, count in ranked if len(piece) > 1 and count > 1]
    chosen = single + longer[: 420 - 5 - len(single)]
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(piece, round(math.log(count / total), 6)) for piece, count in chosen]
    pieces.append(("<mask>", 0.0))
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3, byte_fallback=False))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, splitter
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    return tokenizer


def wrapped(tokenizer: Tokenizer, kind: str) -> PreTrainedTokenizerFast:
    if kind == "bert":
        names = dict(unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", pad_token="[PAD]", mask_token="[MASK]")
        inputs = BERT_INPUTS
    else:
        names = dict(
            bos_token="<s>", eos_token="</s>", cls_token="<s>", sep_token="</s>", unk_token="<unk>", pad_token="<pad>",
            mask_token="<mask>",
        )
        inputs = ["input_ids", "attention_mask"]
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=POSITIONS, model_input_names=inputs, **names
    )


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Random weights, large enough that texts differ clearly and layer norms are not the identity."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            noise = torch.randn(parameter.shape, generator=generator)
            if "LayerNorm.weight" in name:
                parameter.copy_(1.0 + 0.1 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_(noise * (0.5 if "embeddings" in name else 1.6 / parameter.shape[1] ** 0.5))


def bert_config(vocabulary: int, **more) -> BertConfig:
    return BertConfig(
        vocab_size=vocabulary, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=INTERMEDIATE, max_position_embeddings=POSITIONS, pad_token_id=0, **more,
    )


def versions() -> dict[str, str]:
    import tokenizers
    import transformers

    return {
        "sentence-transformers": st_version,
        "transformers": transformers.__version__,
        "tokenizers": tokenizers.__version__,
        "torch": torch.__version__.split("+")[0],
    }


def write_json(path: Path, value) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def write_reference(path: Path, head: dict, cases: list[dict]) -> None:
    """One line a row: readable in a diff, and short."""
    def row(value) -> str:
        return json.dumps(value, ensure_ascii=False)

    lines = ["{"]
    lines += [f" {row(key)}: {row(value)}," for key, value in head.items()]
    lines.append(' "cases": [')
    for index, case in enumerate(cases):
        fields = []
        for key, value in case.items():
            if isinstance(value, list) and value and isinstance(value[0], list):
                fields.append(f"  {row(key)}: [\n" + ",\n".join("   " + row(item) for item in value) + "\n  ]")
            else:
                fields.append(f"  {row(key)}: {row(value)}")
        lines.append(" {\n" + ",\n".join(fields) + "\n }" + ("," if index + 1 < len(cases) else ""))
    lines += [" ]", "}"]
    text = "\n".join(lines) + "\n"
    json.loads(text)
    path.write_text(text, encoding="utf-8")


def rounded(vector) -> list[float]:
    """Nine significant digits give a float32 back exactly."""
    return [float(f"{float(value):.9g}") for value in vector]


def token_ids(model: SentenceTransformer, texts: list[str]) -> list[list[int]]:
    return [model.preprocess([text])["input_ids"][0].tolist() for text in texts]


def reference(model: SentenceTransformer, prompts: dict[str | None, str], dimensions: list[int]) -> tuple[dict, list]:
    head = {
        "versions": versions(),
        "max_tokens": model.max_seq_length,
        "dimensions": HIDDEN,
        "texts": TEXTS,
    }
    cases = []
    for name, prompt in prompts.items():
        texts = [prompt + text for text in TEXTS]
        for cut in dimensions:
            vectors = [
                model.encode(text, prompt=prompt or None, truncate_dim=cut if cut != HIDDEN else None,
                             normalize_embeddings=cut != HIDDEN, convert_to_numpy=True)
                for text in TEXTS
            ]
            assert all(np.isfinite(vector).all() for vector in vectors)
            cases.append({
                "prompt_name": name,
                "prompt": prompt,
                "dimensions": cut,
                "token_ids": token_ids(model, texts),
                "vectors": [rounded(vector) for vector in vectors],
            })
    return head, cases


def check_tokenizer_file(folder: Path, cases: list[dict], texts: list[str], limit: int) -> None:
    """tokenizer.json alone, cut to the model's length, must give the reference ids."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(limit)
    for case in cases:
        for text, expected in zip(texts, case["token_ids"]):
            assert tokenizer.encode(case["prompt"] + text).ids == expected, (folder.name, text)


def clean_tokenizer_file(folder: Path) -> None:
    """Loading for the reference turns padding and truncation on; a repository's file states neither."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["padding"] = content["truncation"] = None
    write_json(path, content)


def embedding_fixture(
    root: Path, name: str, kind: str, pooling: str, seed: int, *, normalize=True, prompts=None, dimensions=None
) -> None:
    tokenizer = wordpiece() if kind == "bert" else unigram()
    vocabulary = tokenizer.get_vocab_size()
    if kind == "bert":
        encoder, inputs = BertModel(bert_config(vocabulary), add_pooling_layer=False), BERT_INPUTS
    else:
        config = XLMRobertaConfig(
            vocab_size=vocabulary, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
            intermediate_size=INTERMEDIATE, max_position_embeddings=POSITIONS + 2, pad_token_id=1, bos_token_id=0,
            eos_token_id=2, type_vocab_size=1,
        )
        encoder, inputs = XLMRobertaModel(config, add_pooling_layer=False), ["input_ids", "attention_mask"]
    randomise(encoder, seed)
    encoder.eval()

    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) / "base"
        encoder.save_pretrained(base)
        wrapped(tokenizer, kind).save_pretrained(base)
        transformer = Transformer(str(base), max_seq_length=POSITIONS)
        modules = [transformer, Pooling(HIDDEN, pooling_mode=pooling)] + ([Normalize()] if normalize else [])
        model = SentenceTransformer(modules=modules, device="cpu", prompts=prompts or {})
        model.save_pretrained(str(folder), create_model_card=False)
        model = SentenceTransformer(str(folder), device="cpu")
        head, cases = reference(
            model, {None: ""} | (prompts or {}), dimensions or [HIDDEN]
        )
        encoder = model[0].auto_model
        encoder.set_attn_implementation("eager")
        export(encoder, folder / "onnx" / "model.onnx", inputs, "last_hidden_state")
    (folder / "model.safetensors").unlink()
    if dimensions:
        config = json.loads((folder / "config.json").read_text())
        config["matryoshka_dimensions"] = dimensions
        write_json(folder / "config.json", config)
    finish(folder, head, cases)


def finish(folder: Path, head: dict, cases: list[dict]) -> None:
    clean_tokenizer_file(folder)
    check_tokenizer_file(folder, cases, head["texts"], head["max_tokens"])
    write_reference(folder / "reference.json", {"model": folder.name} | head, cases)
    report(folder)


def classic_fixture(root: Path, name: str, seed: int) -> None:
    """The layout that sentence-transformers 2 to 4 wrote and most repositories have."""
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = wordpiece()
    encoder = BertModel(bert_config(tokenizer.get_vocab_size()), add_pooling_layer=False)
    randomise(encoder, seed)
    encoder.eval()
    encoder.save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (folder / "vocab.txt").write_text("".join(token + "\n" for token, _ in vocabulary), encoding="utf-8")
    write_json(folder / "tokenizer_config.json", {
        "do_lower_case": True, "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]",
        "cls_token": "[CLS]", "mask_token": "[MASK]", "tokenize_chinese_chars": True, "strip_accents": None,
        "model_max_length": POSITIONS, "tokenizer_class": "BertTokenizer",
    })
    write_json(folder / "special_tokens_map.json", {
        "unk_token": "[UNK]", "sep_token": "[SEP]", "pad_token": "[PAD]", "cls_token": "[CLS]",
        "mask_token": "[MASK]",
    })
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 24, "do_lower_case": False})
    write_json(folder / "modules.json", [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    ])
    write_json(folder / "1_Pooling" / "config.json", {
        "word_embedding_dimension": HIDDEN, "pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False,
        "pooling_mode_max_tokens": False, "pooling_mode_mean_sqrt_len_tokens": False,
    })
    write_json(folder / "config_sentence_transformers.json", {
        "__version__": {"sentence_transformers": "2.0.0", "transformers": "4.6.1", "pytorch": "1.8.1"},
    })
    model = SentenceTransformer(str(folder), device="cpu")
    assert model.max_seq_length == 24
    head, cases = reference(model, {None: ""}, [HIDDEN])
    encoder = model[0].auto_model
    encoder.set_attn_implementation("eager")
    export(encoder, folder / "model.onnx", BERT_INPUTS, "last_hidden_state")
    (folder / "model.safetensors").unlink()
    finish(folder, head, cases)


def cross_fixture(root: Path, name: str, seed: int) -> None:
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    tokenizer = wordpiece()
    classifier = BertForSequenceClassification(bert_config(tokenizer.get_vocab_size(), num_labels=1))
    randomise(classifier, seed)
    classifier.eval()
    with tempfile.TemporaryDirectory() as temporary:
        base = Path(temporary) / "base"
        classifier.save_pretrained(base)
        wrapped(tokenizer, "bert").save_pretrained(base)
        model = CrossEncoder(str(base), device="cpu", max_length=POSITIONS)
        model.save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)
    model = CrossEncoder(str(folder), device="cpu")
    logits = [float(model.predict([pair], activation_fn=torch.nn.Identity())[0]) for pair in PAIRS]
    scores = [float(model.predict([pair])[0]) for pair in PAIRS]
    ids, types = [], []
    for query, document in PAIRS:
        encoded = model.tokenizer(
            [[query, document]], truncation="longest_first", max_length=POSITIONS, return_token_type_ids=True
        )
        ids.append(encoded["input_ids"][0])
        types.append(encoded["token_type_ids"][0])
    assert np.allclose(scores, 1 / (1 + np.exp(-np.array(logits))), atol=1e-6)
    assert np.ptp(scores) > 0.05, "the scores lie too close together to rank by"
    classifier = model.model
    classifier.set_attn_implementation("eager")
    export(classifier, folder / "onnx" / "model.onnx", BERT_INPUTS, "logits")
    (folder / "model.safetensors").unlink()
    clean_tokenizer_file(folder)
    write_reference(
        folder / "reference.json",
        {"model": name, "versions": versions(), "max_tokens": POSITIONS},
        [{"pairs": PAIRS, "token_ids": ids, "token_type_ids": types, "logits": rounded(logits),
          "scores": rounded(scores)}],
    )
    report(folder)


def broken_fixture(root: Path, name: str, source: str) -> None:
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(root / source, folder)
    (folder / "reference.json").unlink()
    path = folder / "onnx" / "model.onnx"
    path.write_bytes(path.read_bytes()[:4096])
    report(folder)


def report(folder: Path) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{folder.name:14} {size / 1024:7.0f} KiB  {sorted(p.name for p in folder.rglob('*') if p.is_file())}")


def main() -> None:
    default = Path(__file__).resolve().parent.parent / "tabagent-runtime" / "tests" / "fixtures"
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    root.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    embedding_fixture(root, "bert-cls", "bert", "cls", SEED + 1)
    classic_fixture(root, "bert-classic", SEED + 2)
    embedding_fixture(root, "bert-mean", "bert", "mean", SEED + 3, dimensions=[32, 16, 8])
    embedding_fixture(root, "e5-prompts", "bert", "mean", SEED + 4, prompts={"query": "query: ", "passage": "passage: "})
    embedding_fixture(root, "xlmr-mean", "xlmr", "mean", SEED + 5)
    cross_fixture(root, "bert-cross", SEED + 6)
    broken_fixture(root, "bert-broken", "bert-cls")


if __name__ == "__main__":
    main()
