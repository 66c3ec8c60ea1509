//! How a runtime is started.

use std::{path::PathBuf, time::Duration};

use super::pool::KeepAlive;
use crate::{
    device::{Device, DeviceOptions},
    documents::PdfReader,
    hub::HubOptions,
    library::LibraryOptions,
    models::EMBED_ID,
    store::SESSIONS_BYTES,
};

/// How a runtime is started.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The models folder: each subfolder laid out like a Hugging Face repository is a model. It need not exist.
    pub models_dir: PathBuf,
    /// Folder of what is kept over restarts, which is made where it is not there; in memory, and gone with the process,
    /// where there is none.
    pub data_dir: Option<PathBuf>,
    /// What models run on.
    pub device: Device,
    /// What the device is told beside the models; one that is named takes some of it.
    pub device_options: DeviceOptions,
    /// Threads that share one operator; the physical cores that this process may use where there is none.
    pub threads: Option<usize>,
    /// How ONNX Runtime is found or installed.
    pub library: LibraryOptions,
    /// Texts that may wait for each model. Beyond it requests are refused with a time to come back.
    pub queue: usize,
    /// Longest time for one request, loading the model included; of a generation, until it is admitted.
    pub deadline: Duration,
    /// Longest time for one generation, from its admission on.
    pub generation_deadline: Duration,
    /// Id of the embedding model that serves requests which name none.
    pub default_model: String,
    /// Sequences that a decoder generates side by side.
    pub parallel: usize,
    /// Most tokens of a prompt that a decoder reads at once. Fewer stop running streams for a shorter time, and read slower.
    pub prompt_part: usize,
    /// Sequences that may wait for each decoder.
    pub generation_queue: usize,
    /// Most tokens of one sequence, prompt and answer together; each model's own limit where there is none or a larger one.
    pub context: Option<usize>,
    /// Bytes that the keys and values of one decoder may take; a quarter of the memory of the machine, or of the limit
    /// that this process has, where there is none.
    pub cache_bytes: Option<u64>,
    /// Most models of one kind in memory; as memory allows where there is none.
    pub max_loaded: Option<usize>,
    /// Bytes that models may take together, by their estimates; as the machine allows where there is none.
    pub memory_limit: Option<u64>,
    /// Most bytes of all sessions together, each message with [`crate::store::MESSAGE_COST`] of its own.
    pub sessions_limit: u64,
    /// How long a model stays in memory that nobody uses, where its load does not say.
    pub keep_alive: KeepAlive,
    /// Whether a request loads the model that it names; else it has to be loaded before.
    pub autoload: bool,
    /// Where models are pulled from.
    pub hub: HubOptions,
    /// The program by which PDFs are read, which can be ended at any moment. Where there is none they are read on threads of
    /// this process, and one that is made to do harm can take its memory.
    pub pdf_reader: Option<PdfReader>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            models_dir: PathBuf::from("models"),
            data_dir: None,
            device: Device::Auto,
            device_options: DeviceOptions::default(),
            threads: None,
            library: LibraryOptions::default(),
            queue: 8192,
            deadline: Duration::from_secs(300),
            generation_deadline: Duration::from_secs(30 * 60),
            default_model: EMBED_ID.to_owned(),
            parallel: 8,
            prompt_part: 256,
            generation_queue: 256,
            context: None,
            cache_bytes: None,
            max_loaded: None,
            memory_limit: None,
            sessions_limit: SESSIONS_BYTES,
            keep_alive: KeepAlive::For(Duration::from_secs(30 * 60)),
            autoload: true,
            hub: HubOptions::default(),
            pdf_reader: None,
        }
    }
}
