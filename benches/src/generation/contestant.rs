//! Who is measured, and how each is started and given a task.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use tabagent_runtime::bench::Timeline;
use tokio::runtime::Runtime;

use super::server::Server;
use super::timeline::whole;
use super::{Options, Programs};
use crate::child::Running;
use crate::{Failure, cargo};

/// A model that all contestants have.
pub(super) struct Model {
    pub(super) id: String,
    models_dir: PathBuf,
    folder: PathBuf,
    /// Ids of tokens that are letters, by their texts.
    vocabulary: HashMap<String, u32>,
    /// The same ids, ascending.
    pub(super) words: Vec<u32>,
}

impl Model {
    /// Reads what the files tell.
    ///
    /// # Errors
    /// When a file is missing, or its vocabulary is not that of `tools/make_bench_decoders.py`.
    pub(super) fn read(models_dir: &Path, id: &str) -> Result<Self, Failure> {
        let folder = models_dir.join(id);
        let path = folder.join("tokenizer.json");
        let text = fs::read_to_string(&path).map_err(|error| {
            Failure::of(format!(
                "{} cannot be read ({error}); `tools/make_bench_decoders.py {}` makes it",
                path.display(),
                models_dir.display()
            ))
        })?;
        let tokenizer: Value = serde_json::from_str(&text)?;
        let entries = tokenizer["model"]["vocab"].as_object();
        let vocabulary: HashMap<String, u32> = entries
            .into_iter()
            .flatten()
            .filter(|(text, _)| text.bytes().all(|byte| byte.is_ascii_lowercase()))
            .filter_map(|(text, id)| Some((text.clone(), u32::try_from(id.as_u64()?).ok()?)))
            .collect();
        let mut words: Vec<u32> = vocabulary.values().copied().collect();
        words.sort_unstable();
        if words.is_empty() {
            return Err(Failure::of(format!("{} has no token that is letters", path.display())));
        }
        Ok(Self { id: id.to_owned(), models_dir: models_dir.to_owned(), folder, vocabulary, words })
    }
}

/// A contestant's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Our server, as a client sees it.
    Http,
    /// Our runtime without HTTP.
    InProcess,
    /// onnxruntime-genai in Python.
    Genai,
    /// llama.cpp through llama-cpp-python.
    LlamaCpp,
}

impl Who {
    /// Those that the options ask for.
    pub(super) fn all(options: &Options) -> Vec<Self> {
        let mut all = vec![Self::Http, Self::InProcess];
        if !options.no_genai {
            all.push(Self::Genai);
        }
        if !options.no_llamacpp {
            all.push(Self::LlamaCpp);
        }
        all
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Http => "tabagent",
            Self::InProcess => "in process",
            Self::Genai => "onnxruntime-genai",
            Self::LlamaCpp => "llama.cpp",
        }
    }
}

/// A program that generates. Dropping it ends it.
pub(super) enum Contestant {
    Server(Server),
    /// It obeys lines, as `peers/generation.py` says.
    Worker(Running, &'static str),
}

impl Contestant {
    /// Starts it and returns what it says of its version.
    ///
    /// # Errors
    /// When it ends early.
    pub(super) fn start(
        who: Who,
        options: &Options,
        programs: &Programs,
        model: &Model,
        scratch: &Path,
    ) -> Result<(Self, String), Failure> {
        let threads = options.threads.to_string();
        let log = scratch.join(format!("{who:?}.log"));
        let peer = |script: &str, model: &Path| {
            let mut command = Command::new(cargo::root().join("benches/peers").join(script));
            command.arg(model).args(["--threads", &threads]);
            command
        };
        let mut command = match who {
            Who::Http => {
                let mut command = Command::new(&programs.server);
                command.args(["serve", "--port", "0", "--threads", &threads]);
                command.arg("--models-dir").arg(&model.models_dir);
                command.arg("--data-dir").arg(scratch.join("data")).args(&options.serve);
                let server = Server::start(&mut command, &model.id, &log)?;
                return Ok((Self::Server(server), String::new()));
            }
            Who::InProcess => {
                let mut command = Command::new(&programs.inprocess);
                command.args(["--model", &model.id, "--threads", &threads]);
                command.arg("--models-dir").arg(&model.models_dir);
                command
            }
            Who::Genai => peer("genai.sh", &model.folder),
            Who::LlamaCpp => peer("llamacpp.sh", &model.folder.join("model-q4_0.gguf")),
        };
        let mut running = Running::start(&mut command, &log)?;
        let said: Value = serde_json::from_str(&running.line()?)?;
        let version = said["version"].as_str().unwrap_or("of an unknown version").to_owned();
        Ok((Self::Worker(running, who.name()), version))
    }

    /// Continues all prompts together by so many greedy tokens.
    ///
    /// # Errors
    /// When it ended, refused, or did something else.
    pub(super) fn generate(
        &mut self,
        runtime: &Runtime,
        model: &Model,
        prompts: &[Vec<u32>],
        tokens: usize,
    ) -> Result<Timeline, Failure> {
        let (timeline, name) = match self {
            Self::Server(server) => {
                let work = server.client().generate(prompts, tokens, &model.vocabulary);
                (runtime.block_on(work)?, Who::Http.name())
            }
            Self::Worker(running, name) => {
                let answer = running.ask(&json!({ "prompts": prompts, "tokens": tokens }).to_string())?;
                (serde_json::from_value(answer)?, *name)
            }
        };
        whole(timeline, name, prompts.len(), tokens)
    }

    /// [`Contestant::generate`], and of our server the share of its decoding steps that is not the graph's.
    ///
    /// # Errors
    /// Those of both.
    pub(super) fn observed(
        &mut self,
        runtime: &Runtime,
        model: &Model,
        prompts: &[Vec<u32>],
        tokens: usize,
    ) -> Result<(Timeline, Option<f64>), Failure> {
        let before = self.server().map(|server| runtime.block_on(server.work())).transpose()?;
        let timeline = self.generate(runtime, model, prompts, tokens)?;
        let after = self.server().map(|server| runtime.block_on(server.work())).transpose()?;
        Ok((timeline, before.zip(after).map(|(before, after)| after.beside_the_graph(&before))))
    }

    pub(super) fn server(&self) -> Option<&Server> {
        match self {
            Self::Server(server) => Some(server),
            Self::Worker(..) => None,
        }
    }

    pub(super) fn running(&self) -> &Running {
        match self {
            Self::Server(server) => &server.running,
            Self::Worker(running, _) => running,
        }
    }
}
