//! The hub: models are pulled from it into the models folder, and deleted there.
//!
//! The protocol is that of Hugging Face (<https://huggingface.co/docs/hub/api>): `/api/models/OWNER/NAME/revision/REVISION` lists
//! the files of a repository with their checksums, `/OWNER/NAME/resolve/COMMIT/PATH` leads to one. Everything blocks and runs on
//! threads of this module.

mod checksum;
mod choose;
mod client;
mod connection;
mod delete;
mod folder;
mod hosts;
mod job;
mod jobs;
mod limits;
mod lock;
mod options;
mod part;
mod presence;
mod pull;
mod reference;
mod repository;
mod transfer;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

pub(crate) use folder::pulled_at;
pub use folder::{Interrupted, Origin};
pub use hosts::{check_endpoint, check_host};
pub use job::{Job, JobFile, JobState};
pub use options::{ENDPOINT, HubOptions, Token};
pub use presence::Presence;
pub use reference::Reference;

use crate::device::Device;

/// What is pulled into one models folder. Clones share everything.
#[derive(Debug, Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    options: HubOptions,
    models_dir: PathBuf,
    /// What models will run on, where that decides which variant is pulled.
    device: Device,
    jobs: jobs::Jobs,
    running: Mutex<usize>,
}

impl Hub {
    /// A hub for the models folder, which need not exist yet. What a process left that was killed is put right.
    pub fn new(models_dir: PathBuf, device: Device, options: HubOptions) -> Self {
        folder::repair(&models_dir);
        let inner =
            Inner { options, models_dir, device, jobs: jobs::Jobs::default(), running: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// Where a model of the models folder came from; `None` where it was not pulled.
    pub fn origin(&self, id: &str) -> Option<Origin> {
        let folder = crate::models::id::resolve(&self.inner.models_dir, id).ok()?;
        folder::origin(&folder)
    }

    /// Models of which a pull was begun and is not complete, sorted by id. Pulling them again carries on.
    pub fn interrupted(&self) -> Vec<Interrupted> {
        folder::interrupted(&self.inner.models_dir)
    }

    /// The models folder.
    pub fn models_dir(&self) -> &Path {
        &self.inner.models_dir
    }
}
