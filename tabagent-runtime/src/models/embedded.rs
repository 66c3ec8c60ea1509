//! The models inside the binary: the same files as in a folder, so that the same code reads them.

use super::files::EmbeddedFile;

/// Id of the embedding model inside the binary, which is the default one.
pub const EMBED_ID: &str = "tabagent-embed";

/// Id of the decoder inside the binary, which answers questions about this server.
pub const CHAT_ID: &str = "tabagent-chat";

/// Files of one model, from its folder in this crate.
macro_rules! files {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$(($name, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/embedded/", $folder, "/", $name)))),+]
    };
}

/// A static embedding model, distilled for retrieval: a token table, weights, mean, unit length.
static EMBED: &[EmbeddedFile] = files!("tabagent-embed":
    "config.json",
    "config_sentence_transformers.json",
    "modules.json",
    "onnx/model.onnx",
    "tokenizer.json",
    "tokenizer_config.json",
);

/// A small Llama with int8 weights, trained on dialogues about this server.
static CHAT: &[EmbeddedFile] = files!("tabagent-chat":
    "config.json",
    "generation_config.json",
    "model.onnx",
    "tokenizer.json",
    "tokenizer_config.json",
);

/// All models inside the binary, by id.
pub(crate) static MODELS: &[(&str, &[EmbeddedFile])] = &[(CHAT_ID, CHAT), (EMBED_ID, EMBED)];
