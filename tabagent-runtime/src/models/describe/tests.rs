//! Both forms of sentence-transformers, and the kinds of models.

use std::path::Path;

use super::*;

/// A model folder with these files.
fn folder(files: &[(&str, &str)]) -> (tempfile::TempDir, ModelFiles) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let root = folder.path().canonicalize().unwrap();
    (folder, ModelFiles::Folder(root))
}

fn describe_files(files: &[(&str, &str)]) -> Result<Description> {
    let (_folder, files) = folder(files);
    describe("m", &files)
}

const BERT: &str = r#"{"architectures": ["BertModel"], "model_type": "bert", "hidden_size": 384,
    "num_attention_heads": 12, "max_position_embeddings": 512, "vocab_size": 30522}"#;
const CLASSIC_MODULES: &str = r#"[
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
    {"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]"#;
const NEW_MODULES: &str = r#"[
    {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.transformer.Transformer"},
    {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.sentence_transformer.modules.pooling.Pooling"}]"#;

#[test]
fn the_classic_form() {
    let found = describe_files(&[
        ("config.json", BERT),
        ("modules.json", CLASSIC_MODULES),
        (
            "1_Pooling/config.json",
            r#"{"word_embedding_dimension": 384, "pooling_mode_cls_token": false,
            "pooling_mode_mean_tokens": true, "pooling_mode_max_tokens": false,
            "pooling_mode_mean_sqrt_len_tokens": false}"#,
        ),
        ("sentence_bert_config.json", r#"{"max_seq_length": 256, "do_lower_case": false}"#),
        ("tokenizer_config.json", r#"{"model_max_length": 512}"#),
    ])
    .unwrap();
    assert_eq!(found.kind, ModelKind::Embedding);
    assert_eq!(found.max_length, Some(256));
    assert_eq!(found.dimensions, Some(384));
    assert_eq!(
        found.steps,
        [Step::Pool(Pooling { modes: vec![PoolingMode::Mean], include_prompt: true }), Step::Normalize]
    );
}

#[test]
fn the_form_of_sentence_transformers_5() {
    let found = describe_files(&[
        ("config.json", BERT),
        ("modules.json", NEW_MODULES),
        (
            "1_Pooling/config.json",
            r#"{"embedding_dimension": 384, "pooling_mode": "cls", "include_prompt": false}"#,
        ),
        ("tokenizer_config.json", r#"{"model_max_length": 128}"#),
        (
            "config_sentence_transformers.json",
            r#"{"prompts": {"query": "query: ", "passage": "passage: "},
            "default_prompt_name": null, "similarity_fn_name": "dot", "truncate_dim": 128}"#,
        ),
    ])
    .unwrap();
    assert_eq!(found.max_length, Some(128));
    assert_eq!(found.steps, [Step::Pool(Pooling { modes: vec![PoolingMode::Cls], include_prompt: false })]);
    assert_eq!(found.prompts.texts["passage"], "passage: ");
    assert_eq!(found.prompts.default, None);
    assert_eq!(found.similarity.as_deref(), Some("dot"));
    assert_eq!(found.matryoshka, [128]);
}

#[test]
fn several_modes_are_joined() {
    let found = describe_files(&[
        ("config.json", BERT),
        ("modules.json", NEW_MODULES),
        ("1_Pooling/config.json", r#"{"pooling_mode": ["cls", "mean"]}"#),
    ])
    .unwrap();
    assert_eq!(found.dimensions, Some(768));
}

#[test]
fn a_mode_that_does_not_exist_is_named() {
    let error = describe_files(&[
        ("config.json", BERT),
        ("modules.json", NEW_MODULES),
        ("1_Pooling/config.json", r#"{"pooling_mode": "median"}"#),
    ])
    .unwrap_err();
    assert!(
        matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("median")),
        "{error}"
    );
}

#[test]
fn a_missing_pooling_file_is_named() {
    let error = describe_files(&[("config.json", BERT), ("modules.json", CLASSIC_MODULES)]).unwrap_err();
    assert!(
        matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("1_Pooling/config.json")),
        "{error}"
    );
}

#[test]
fn a_module_that_we_lack_is_refused_by_name() {
    let error = describe_files(&[
        ("config.json", BERT),
        (
            "modules.json",
            r#"[{"path": "", "type": "sentence_transformers.models.Transformer"},
            {"path": "1_LSTM", "type": "sentence_transformers.models.LSTM"}]"#,
        ),
    ])
    .unwrap_err();
    assert!(
        matches!(&error, BackendError::NotImplemented { feature } if feature.contains("LSTM")),
        "{error}"
    );
}

#[test]
fn a_module_cannot_name_a_path_outside() {
    let error = describe_files(&[
        ("config.json", BERT),
        (
            "modules.json",
            r#"[{"path": "../../etc", "type": "sentence_transformers.models.Pooling"},
            {"path": "", "type": "sentence_transformers.models.Transformer"}]"#,
        ),
    ])
    .unwrap_err();
    assert!(matches!(error, BackendError::ModelCorrupted { .. }), "{error}");
}

#[test]
fn json_that_is_none_is_damage() {
    let error = describe_files(&[("config.json", "{\"architectures\": [")]).unwrap_err();
    assert!(
        matches!(&error, BackendError::ModelCorrupted { reason, .. } if reason.contains("config.json")),
        "{error}"
    );
}

#[test]
fn kinds_are_read_from_the_architecture() {
    let kind = |config: &str| describe_files(&[("config.json", config)]).unwrap().kind;
    assert_eq!(
        kind(r#"{"architectures": ["BertForSequenceClassification"], "id2label": {"0": "LABEL_0"}}"#),
        ModelKind::Rerank
    );
    assert_eq!(
        kind(r#"{"architectures": ["BertForSequenceClassification"], "num_labels": 1}"#),
        ModelKind::Rerank
    );
    assert_eq!(kind(r#"{"architectures": ["BertForSequenceClassification"]}"#), ModelKind::Unknown);
    assert_eq!(kind(r#"{"architectures": ["Qwen3ForCausalLM"]}"#), ModelKind::Chat);
    assert_eq!(kind(r#"{"architectures": ["MPNetModel"]}"#), ModelKind::Embedding);
    assert_eq!(kind("{}"), ModelKind::Unknown);
}

#[test]
fn roberta_loses_two_positions() {
    let found = describe_files(&[
        (
            "config.json",
            r#"{"architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta",
            "max_position_embeddings": 514, "pad_token_id": 1}"#,
        ),
        ("tokenizer_config.json", r#"{"model_max_length": 1000000000000000019884624838656}"#),
    ])
    .unwrap();
    assert_eq!(found.max_length, Some(512));
}

#[test]
fn a_static_embedding_has_no_special_tokens_and_no_positions() {
    let found = describe_files(&[
        ("config.json", r#"{"max_position_embeddings": 512}"#),
        (
            "modules.json",
            r#"[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"},
            {"path": "1_Normalize", "type": "sentence_transformers.models.Normalize"}]"#,
        ),
    ])
    .unwrap();
    assert_eq!(found.kind, ModelKind::Embedding);
    assert!(!found.special_tokens);
    assert_eq!(found.max_length, None);
    assert_eq!(found.steps, [Step::Normalize]);
}

#[test]
fn a_static_embedding_that_states_its_kind_is_tokenised_as_its_tokenizer_says() {
    let found = describe_files(&[
        ("config.json", r#"{"model_type": "static_embedding", "hidden_size": 160}"#),
        ("tokenizer_config.json", r#"{"model_max_length": 8192}"#),
        ("modules.json", r#"[{"path": "", "type": "sentence_transformers.models.StaticEmbedding"}]"#),
    ])
    .unwrap();
    assert!(found.special_tokens);
    assert_eq!((found.dimensions, found.max_length, found.heads), (Some(160), Some(8192), 0));
}
