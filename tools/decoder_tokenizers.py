"""Tokenizers in the style of five families, trained on the text in `decoder_texts.py`. All encode any UTF-8 text."""

from __future__ import annotations

import json

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from decoder_texts import TRAINING_TEXT

# How Llama 3 and Qwen cut text before merging: contractions, words with what stands before them, digits, line breaks.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"{1,%d}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def special(names: list[str]) -> list[AddedToken]:
    return [AddedToken(name, special=True, normalized=False) for name in names]


def byte_level(size: int, digits: int, normalizer=None) -> Tokenizer:
    """BPE over bytes as GPT-2 writes them, `size` tokens."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERN % digits), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer.train_from_iterator(
        TRAINING_TEXT, trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=alphabet)
    )
    assert tokenizer.get_vocab_size() == size
    return tokenizer


def llama(bos: str, others: list[str]) -> Tokenizer:
    tokenizer = byte_level(384, 3)
    tokenizer.add_special_tokens(special([bos, *others]))
    start_with(tokenizer, bos, processors.ByteLevel(trim_offsets=False))
    return tokenizer


def qwen(tokens: list[str], words: list[str]) -> Tokenizer:
    """`words` are added tokens that are not special: they stay when special tokens are left out of the text."""
    tokenizer = byte_level(368, 1, normalizers.NFC())
    tokenizer.add_special_tokens(special(tokens))
    tokenizer.add_tokens([AddedToken(word, special=False, normalized=False) for word in words])
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    return tokenizer


def mistral(tokens: list[str]) -> Tokenizer:
    """Special tokens first, then bytes, as Mistral's later tokenizers have it."""
    tokenizer = byte_level(360, 1)
    model = json.loads(tokenizer.to_str())["model"]
    vocabulary = {token: index for index, token in enumerate(tokens)}
    vocabulary |= {token: index + len(tokens) for token, index in model["vocab"].items()}
    tokenizer.model = models.BPE(vocab=vocabulary, merges=[tuple(pair) for pair in model["merges"]])
    tokenizer.add_special_tokens(special(tokens))
    start_with(tokenizer, "<s>")
    return tokenizer


def byte_fallback(size: int, before: list[str], newline: bool) -> Tokenizer:
    """BPE over characters, as SentencePiece makes it: a space is `▁`, characters it lacks fall back to their bytes."""
    trained = Tokenizer(models.BPE())
    trained.normalizer = normalizers.Replace(" ", "▁")
    trained.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    characters = sorted({chr(code) for code in range(33, 127)} | set("▁äöüßéèàçñ") | ({"\n"} if newline else set()))
    trained.train_from_iterator(
        TRAINING_TEXT,
        trainers.BpeTrainer(
            vocab_size=size, show_progress=False, initial_alphabet=characters, limit_alphabet=len(characters)
        ),
    )
    model = json.loads(trained.to_str())["model"]
    pieces = before + [f"<0x{byte:02X}>" for byte in range(256)] + sorted(model["vocab"], key=model["vocab"].get)
    return Tokenizer(models.BPE(
        vocab={piece: index for index, piece in enumerate(pieces)}, merges=[tuple(pair) for pair in model["merges"]],
        unk_token="<unk>", fuse_unk=True, byte_fallback=True,
    ))


def gemma(tokens: list[str], more: list[str]) -> Tokenizer:
    """Spaces are kept as they are; `<bos>` comes first."""
    tokenizer = byte_fallback(180, tokens, newline=True)
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.add_special_tokens(special(tokens + more))
    start_with(tokenizer, "<bos>")
    return tokenizer


def phi(tokens: list[str], more: list[str]) -> Tokenizer:
    """Llama 2's: a space is put before the text and taken off when decoding; the role tokens swallow space after them."""
    tokenizer = byte_fallback(176, tokens, newline=False)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence([
        decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0),
    ])
    tokenizer.add_special_tokens(special(tokens))
    tokenizer.add_special_tokens([AddedToken(name, special=True, normalized=False, rstrip=True) for name in more])
    return tokenizer


def start_with(tokenizer: Tokenizer, bos: str, *before: processors.PostProcessor) -> None:
    template = processors.TemplateProcessing(
        single=[bos, "$A"], pair=[bos, "$A", f"{bos}:1", "$B:1"], special_tokens=[(bos, tokenizer.token_to_id(bos))]
    )
    tokenizer.post_processor = processors.Sequence([*before, template]) if before else template
