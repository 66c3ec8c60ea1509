//! Truncation that is allowed and said, ids that are checked, pairs as cross-encoders take them.

use tokenizers::{TruncationParams, TruncationStrategy, utils::truncation::truncate_encodings};

use super::*;
use crate::{error::InvalidCause, models::describe};

/// Words as tokens: `[CLS]` 1, `[SEP]` 2, `a` to `h` 3 to 10.
const TOKENIZER: &str = r###"{
    "version": "1.0", "truncation": {"direction": "Right", "max_length": 4, "strategy": "LongestFirst", "stride": 0},
    "padding": {"strategy": {"Fixed": 16}, "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]"},
    "added_tokens": [
        {"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
        {"id": 2, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true}],
    "normalizer": null, "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                   {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
        "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
        "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]},
                           "[SEP]": {"id": "[SEP]", "ids": [2], "tokens": ["[SEP]"]}}},
    "decoder": null,
    "model": {"type": "WordLevel", "unk_token": "[UNK]", "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2,
        "a": 3, "b": 4, "c": 5, "d": 6, "e": 7, "f": 8, "g": 9, "h": 10}}
}"###;

fn tokenizer(config: &str, modules: &str) -> Tokenizer {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::write(root.join("tokenizer.json"), TOKENIZER).unwrap();
    std::fs::write(root.join("config.json"), config).unwrap();
    if !modules.is_empty() {
        std::fs::write(root.join("modules.json"), modules).unwrap();
    }
    let files = ModelFiles::Folder(root);
    Tokenizer::open("m", &files, &describe("m", &files).unwrap()).unwrap()
}

fn bert() -> Tokenizer {
    tokenizer(r#"{"architectures": ["BertModel"], "max_position_embeddings": 6, "vocab_size": 11}"#, "")
}

#[test]
fn padding_and_truncation_of_the_file_are_off() {
    assert_eq!(bert().encode("input[0]", "a b c", false).unwrap().ids, [1, 3, 4, 5, 2]);
}

#[test]
fn nothing_is_cut_without_a_word() {
    let error = bert().encode("input[3]", "a b c d e", false).unwrap_err();
    let BackendError::InvalidInput { field, reason, cause } = error else { panic!("{error:?}") };
    assert_eq!(field, "input[3]");
    assert_eq!(cause, InvalidCause::ContextLength);
    assert!(reason.contains("7 tokens") && reason.contains('6'), "{reason}");

    let cut = bert().encode("input[3]", "a b c d e", true).unwrap();
    assert_eq!((cut.ids.as_slice(), cut.truncated), (&[1, 3, 4, 5, 6, 2][..], true));
    assert!(!bert().encode("input[3]", "a b c d", true).unwrap().truncated);
}

#[test]
fn pairs_have_segments_and_lose_the_longer_first() {
    let pair = bert().encode_pair("documents[0]", "a", "b c", false).unwrap();
    assert_eq!(pair.ids, [1, 3, 2, 4, 5, 2]);
    assert_eq!(pair.types, [0, 0, 0, 1, 1, 1]);
    assert!(bert().encode_pair("documents[0]", "a", "b c d e f", false).is_err());
    let cut = bert().encode_pair("documents[0]", "a", "b c d e f", true).unwrap();
    assert_eq!((cut.ids.as_slice(), cut.truncated), (&[1, 3, 2, 4, 5, 2][..], true));
    assert_eq!(cut.types, [0, 0, 0, 1, 1, 1]);
}

#[test]
fn ids_are_of_this_vocabulary() {
    let tokenizer = bert();
    assert_eq!(tokenizer.check_ids("input[0]", vec![1, 3, 2], false).unwrap().ids, [1, 3, 2]);
    let field = |ids| match tokenizer.check_ids("input[0]", ids, false) {
        Err(BackendError::InvalidInput { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    assert_eq!(field(vec![3, 100_257]), "input[0][1]");
    assert_eq!(field(vec![3, 11]), "input[0][1]");
    assert_eq!(field(vec![]), "input[0]");
    assert_eq!(field(vec![3; 7]), "input[0]");
    let cut = tokenizer.check_ids("input[0]", vec![3; 7], true).unwrap();
    assert_eq!((cut.ids.len(), cut.truncated), (6, true));
}

#[test]
fn a_static_embedding_takes_no_special_tokens_and_no_empty_text() {
    let modules = r#"[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]"#;
    let tokenizer = tokenizer(r#"{"vocab_size": 11}"#, modules);
    assert_eq!(tokenizer.encode("input[0]", "a b", false).unwrap().ids, [3, 4]);
    assert!(matches!(tokenizer.encode("input[0]", "", false), Err(BackendError::InvalidInput { .. })));
}

#[test]
fn a_prompt_is_counted_without_the_closing_token() {
    assert_eq!(bert().prompt_length("a b").unwrap(), 3);
}

#[test]
fn a_missing_tokenizer_is_told_by_what_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().canonicalize().unwrap();
    std::fs::write(root.join("vocab.txt"), "a\n").unwrap();
    let files = ModelFiles::Folder(root);
    let error = Tokenizer::open("m", &files, &describe("m", &files).unwrap()).err().unwrap();
    assert!(
        matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("vocab.txt")),
        "{error}"
    );
}

/// The tokenizer of the embedded model, BERT's, with this limit of its own.
fn embedded(max_length: Option<usize>) -> Tokenizer {
    let entry = crate::models::Catalog::new("/nonexistent".into()).get(crate::models::EMBED_ID).unwrap();
    let mut tokenizer = Tokenizer::open("m", &entry.files, entry.description.as_ref().unwrap()).unwrap();
    tokenizer.max_length = max_length;
    tokenizer
}

/// A text of many scripts, marks and gaps, drawn by a linear congruential generator.
fn mixed(length: usize) -> String {
    let bits = [
        "river",
        "Zürich",
        "e\u{301}te\u{301}",
        "!",
        " ",
        "  ",
        "\n",
        "水",
        "東京",
        "[MASK]",
        "[",
        "]",
        "'s",
        "-",
        "ﬁ",
        "😀",
        "ß",
        "\u{a0}",
        "\u{200b}",
        "ガ",
        "か\u{3099}",
        "123.5",
        "한국어",
        "#",
        "##ing",
        "\u{301}",
        "\t",
        "…",
        "\u{0}",
    ];
    let mut state = 7_u64;
    let mut text = String::new();
    while text.len() < length {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(bits[usize::try_from(state >> 33).unwrap() % bits.len()]);
    }
    text
}

#[test]
fn a_long_text_read_in_parts_has_the_tokens_of_the_whole() {
    let tokenizer = embedded(None);
    let text = mixed(40_000);
    let whole = tokenizer.inner.encode_fast(text.as_str(), true).unwrap();
    assert_eq!(tokenizer.encode("input[0]", &text, false).unwrap().ids, whole.get_ids());
    // Parted as finely as it can be.
    let seams = tokenizer.seams.as_ref().unwrap();
    let (mut rest, mut ids, mut parts) = (text.as_str(), Vec::new(), 0);
    while !rest.is_empty() {
        let (part, after) = rest.split_at(seams.after(&tokenizer.inner, rest, 1));
        ids.extend_from_slice(tokenizer.inner.encode_fast(part, false).unwrap().get_ids());
        (rest, parts) = (after, parts + 1);
    }
    assert_eq!(ids, whole.get_ids()[1..whole.len() - 1]);
    assert!(parts > 3_000, "{parts}");
}

#[test]
fn a_cut_reads_only_the_start_and_keeps_the_same_tokens() {
    let (limit, text) = (50, mixed(100_000));
    let tokenizer = embedded(Some(limit));
    let whole = tokenizer.inner.encode_fast(text.as_str(), false).unwrap();
    let plain = tokenizer.plain("input[0]", &text, limit, &|| false).unwrap();
    assert!(!plain.whole && plain.encoding.len() < whole.len() / 3);
    let cut = tokenizer.encode("input[0]", &text, true).unwrap();
    assert!(cut.truncated);
    assert_eq!(cut.ids[1..limit - 1], whole.get_ids()[..limit - 2]);
    let error = tokenizer.encode("input[0]", &text, false).unwrap_err();
    assert!(
        matches!(&error, BackendError::InvalidInput { reason, cause: InvalidCause::ContextLength, .. }
            if reason.contains("longer than the 50 tokens") && !reason.contains("truncate")),
        "{error:?}"
    );
}

/// A pair as `tokenizers` makes it of both texts read whole.
fn read_whole(tokenizer: &Tokenizer, first: &str, second: &str) -> Encoding {
    let plain = |text: &str| tokenizer.inner.encode_fast(text, false).unwrap();
    let mut other = plain(second);
    other.set_type_ids(vec![1; other.len()]);
    let params = TruncationParams {
        max_length: tokenizer.max_length.unwrap() - tokenizer.inner_added(true),
        strategy: TruncationStrategy::LongestFirst,
        stride: 0,
        direction: TruncationDirection::Right,
    };
    let (mut first, mut second) = truncate_encodings(plain(first), Some(other), &params).unwrap();
    first.take_overflowing();
    second.as_mut().unwrap().take_overflowing();
    tokenizer.inner.post_process(first, second, true).unwrap()
}

#[test]
fn pairs_are_cut_as_if_they_had_been_read_whole() {
    // An odd number of tokens to share, and an even one.
    for limit in [61, 62] {
        let tokenizer = embedded(Some(limit));
        let lengths = [0, 10, 150, 153, 156, 159, 162, 165, 168, 300, 20_000, 40_000];
        let texts: Vec<String> = lengths.into_iter().map(mixed).collect();
        for first in &texts {
            let once = tokenizer.first("query", first, true, &|| false).unwrap();
            for second in &texts {
                let expected = read_whole(&tokenizer, first, second);
                let pair = tokenizer.pair("documents[0]", &once, second, true, &|| false).unwrap();
                assert_eq!(pair.ids, expected.get_ids());
                assert!(pair.types == expected.get_type_ids() || second.is_empty());
            }
        }
    }
}

#[test]
fn a_query_too_long_for_any_document_is_named() {
    let field = |first: &str, second: &str| {
        let tokenizer = bert();
        let first = tokenizer.first("query", first, false, &|| false);
        match first.and_then(|first| tokenizer.pair("documents[0]", &first, second, false, &|| false)) {
            Err(BackendError::InvalidInput { field, reason, cause: InvalidCause::ContextLength }) => {
                (field, reason)
            }
            other => panic!("{other:?}"),
        }
    };
    let (name, reason) = field("a b c d", "a");
    assert_eq!(name, "query");
    assert!(reason.contains("is 7 tokens long and the model takes 6"), "{reason}");
    let (name, reason) = field("a b", "a b");
    assert_eq!(name, "documents[0]");
    assert!(reason.contains("is 7 tokens long and the model takes 6"), "{reason}");
}

#[test]
fn a_long_text_is_left_in_the_middle() {
    let tokenizer = embedded(None);
    let looks = std::cell::Cell::new(0);
    let stopped = || looks.replace(looks.get() + 1) == 3;
    assert!(tokenizer.encode_until("input[0]", &mixed(1_000_000), false, &stopped).is_err());
    assert_eq!(looks.get(), 4, "it looks before each part");
}

#[test]
fn a_text_without_a_safe_place_is_read_whole() {
    let tokenizer = embedded(Some(8));
    let plain = tokenizer.plain("input[0]", &"a".repeat(40_000), 8, &|| false).unwrap();
    assert!(plain.whole);
}
