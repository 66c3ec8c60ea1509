//! Parts of SentencePiece's texts have the tokens that they have in the whole, whatever the text.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::{Value, json};
use tokenizers::Tokenizer as Inner;

use super::*;
use crate::{
    error::{BackendError, InvalidCause},
    models::{ModelFiles, describe},
    tokenizer::Tokenizer,
};

/// Words, gaps, marks, characters that a normaliser changes or joins, added tokens and parts of them.
const BITS: [&str; 48] = [
    "the capital",
    " vectors",
    " the",
    "answers",
    " ",
    " ",
    "  ",
    "\n",
    "\t",
    "\r\n",
    "\u{a0}",
    "\u{3000}",
    "\u{2009}",
    "\u{200b}",
    "\u{2581}",
    "\u{2581}the",
    "<mask>",
    " <mask> ",
    "<",
    "mask>",
    "</s>",
    "s>",
    "<s",
    "''",
    "'",
    "``",
    "!",
    "。",
    "天气很好",
    "今天",
    "東京都",
    "水",
    "が",
    "か\u{3099}",
    "ガ",
    "ガ",
    "한국어",
    "\u{1100}\u{1161}\u{11a8}",
    "e\u{301}te\u{301}",
    "\u{301}",
    "ﬁ",
    "A\u{30a}",
    "क्ष",
    "กำ",
    "עברית",
    "😀",
    "\u{200d}",
    "\u{0}",
];

fn fixture() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/xlmr-mean/tokenizer.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// The fixture's tokenizer, and others as models in the wild have them.
fn tokenizers() -> Vec<Inner> {
    let metaspace = |scheme: &str| json!({"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": scheme, "split": true});
    let split = |scheme: &str| json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, metaspace(scheme)]});
    let replace =
        |pattern: Value, content: &str| json!({"type": "Replace", "pattern": pattern, "content": content});
    let spaces = |content: &str| replace(json!({"Regex": " {2,}"}), content);
    let sequence = |steps: Value| json!({"type": "Sequence", "normalizers": steps});
    // As the models of T5 and XLM-R are converted, their table aside.
    let converted = sequence(json!([
        {"type": "Nmt"}, {"type": "NFKC"}, {"type": "Strip", "strip_left": false, "strip_right": true},
        spaces("\u{2581}")]));
    let albert = sequence(json!([
        replace(json!({"String": "``"}), "\""), replace(json!({"String": "''"}), "\""), {"type": "NFKD"},
        {"type": "StripAccents"}, {"type": "Lowercase"}, spaces(" ")]));
    let own = fixture()["normalizer"].clone();
    let kinds = [
        (own.clone(), metaspace("always")),
        (own, metaspace("first")),
        (converted.clone(), split("always")),
        (converted, metaspace("never")),
        (albert, metaspace("always")),
        (Value::Null, split("never")),
    ];
    let mut made: Vec<Inner> =
        kinds.into_iter().map(|(normalizer, words)| changed(&normalizer, &words, |_| {})).collect();
    // `<mask>` takes the spaces in front of it, as XLM-R's does.
    made.push(changed(&fixture()["normalizer"], &metaspace("always"), |file| {
        file["added_tokens"][4]["lstrip"] = true.into();
    }));
    made
}

fn changed(normalizer: &Value, words: &Value, change: impl Fn(&mut Value)) -> Inner {
    let mut file = fixture();
    file["normalizer"] = normalizer.clone();
    file["pre_tokenizer"] = words.clone();
    change(&mut file);
    Inner::from_bytes(file.to_string()).unwrap()
}

fn ids(tokenizer: &Inner, text: &str) -> Vec<u32> {
    tokenizer.encode_fast(text, false).unwrap().get_ids().to_vec()
}

/// Parts `text` as finely as it can be, or into pieces of `size`, and looks for the tokens of the whole; then every place
/// at which reading may stop.
fn check(tokenizer: &Inner, text: &str, size: usize) -> (usize, usize) {
    let seams = Seams::of(tokenizer).unwrap();
    let whole = ids(tokenizer, text);
    let (mut rest, mut joined, mut parts) = (text, Vec::new(), 0);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(seams.after(tokenizer, rest, size));
        joined.extend(ids(tokenizer, part));
        (rest, parts) = (after, parts + 1);
    }
    assert_eq!(joined, whole, "{text:?}");
    let (mut from, mut stops) = (size, 0);
    while let Some(end) = seams.stop(tokenizer, text, from).filter(|_| from <= text.len()) {
        let start = ids(tokenizer, &text[..end]);
        let kept = start.len().saturating_sub(1);
        assert_eq!(start[..kept], whole[..kept], "{:?} of {text:?}", &text[..end]);
        (from, stops) = (end + 1, stops + 1);
    }
    (parts, stops)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn parts_have_the_tokens_of_the_whole(
        bits in prop::collection::vec(0..BITS.len(), 0..40),
        any in prop::collection::vec(any::<char>(), 0..4),
        size in 1_usize..60,
    ) {
        let mut text: String = bits.iter().map(|bit| BITS[*bit]).collect();
        for (at, c) in any.into_iter().enumerate() {
            let place = text.floor_char_boundary(text.len() * at / 4);
            text.insert(place, c);
        }
        for tokenizer in &*TOKENIZERS {
            check(tokenizer, &text, size);
            check(tokenizer, &text, 1);
        }
    }
}

static TOKENIZERS: std::sync::LazyLock<Vec<Inner>> = std::sync::LazyLock::new(tokenizers);

#[test]
fn ordinary_texts_have_many_places() {
    for tokenizer in &*TOKENIZERS {
        let (parts, _) = check(tokenizer, &"the capital of vectors is on the salt, ".repeat(50), 1);
        assert!(parts > 200, "{parts}");
        let (parts, stops) = check(tokenizer, &"今天天气很好。東京は日本の首都です。".repeat(50), 1);
        assert_eq!(parts, 1, "there is no space");
        assert!(stops > 100, "{stops}");
    }
}

#[test]
fn what_is_not_known_to_be_safe_has_no_places() {
    let words = fixture()["pre_tokenizer"].clone();
    let normalizer = fixture()["normalizer"].clone();
    let none = |tokenizer: Inner| assert!(Seams::of(&tokenizer).is_none());
    let mut together = words.clone();
    together["split"] = false.into();
    none(changed(&normalizer, &together, |_| {}));
    none(changed(&json!({"type": "Prepend", "prepend": "\u{2581}"}), &words, |_| {}));
    none(changed(&json!({"type": "Strip", "strip_left": true, "strip_right": true}), &words, |_| {}));
    none(changed(&json!({"type": "Replace", "pattern": {"Regex": "t.*s"}, "content": ""}), &words, |_| {}));
    for (name, value) in [("rstrip", json!(true)), ("single_word", json!(true)), ("content", json!("<a b>"))]
    {
        none(changed(&normalizer, &words, |file| file["added_tokens"][4][name] = value.clone()));
    }
    let first = json!({"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"},
        {"type": "Metaspace", "replacement": "\u{2581}", "prepend_scheme": "first", "split": true}]});
    none(changed(&normalizer, &first, |_| {}));
}

/// The model `xlmr-mean` with this limit.
fn model(limit: usize) -> Tokenizer {
    let files = ModelFiles::Folder(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/xlmr-mean").into());
    let mut tokenizer = Tokenizer::open("m", &files, &describe("m", &files).unwrap()).unwrap();
    tokenizer.max_length = Some(limit);
    tokenizer
}

#[test]
fn a_mebibyte_is_refused_or_cut_by_its_start() {
    let texts: HashMap<&str, String> = [
        ("words", "the capital of vectors, "),
        ("ideographs", "今天天气很好。東京は日本の首都です。"),
        ("both", "東京は日本の首都です。the capital"),
        ("spaces at times", "  今天天气很好。\n\n"),
    ]
    .into_iter()
    .map(|(name, text)| (name, text.repeat((1 << 20) / text.len())))
    .collect();
    let limit = 512;
    let tokenizer = model(limit);
    for (name, text) in texts {
        let plain = tokenizer.plain("input[0]", &text, limit, &|| false).unwrap();
        assert!(!plain.whole && plain.encoding.len() < 20_000, "{name}: {}", plain.encoding.len());
        let whole = ids(&tokenizer.inner, &text);
        let cut = tokenizer.encode("input[0]", &text, true).unwrap();
        assert!(cut.truncated);
        assert_eq!(cut.ids[1..limit - 1], whole[..limit - 2], "{name}");
        let error = tokenizer.encode("input[0]", &text, false).unwrap_err();
        assert!(
            matches!(&error, BackendError::InvalidInput { reason, cause: InvalidCause::ContextLength, .. }
                if reason.contains("longer than the 512 tokens")),
            "{error:?}"
        );
        // Read in parts to its end, it is the whole.
        let all = tokenizer.plain("input[0]", &text, usize::MAX, &|| false).unwrap();
        assert!(all.whole && all.encoding.get_ids() == whole, "{name}");
    }
}
