//! Truncation that is allowed and said, ids that are checked, pairs as cross-encoders take them.

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
