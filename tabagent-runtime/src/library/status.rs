//! Every place where the library is looked for and what is there, for `tabagent runtime` and `doctor`.

use std::path::PathBuf;

use serde::Serialize;

use super::cache::{Cache, Rejection};
use super::{Library, LibraryOptions, Origin, Way, find, inspect, load};
use crate::library::Flavour;

/// All candidates, in the order of the search.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The library that this process has loaded.
    pub loaded: Option<Library>,
    /// The folder that installs go to.
    pub cache_dir: PathBuf,
    /// Every candidate, usable or not.
    pub candidates: Vec<Candidate>,
}

/// One place.
#[derive(Debug, Clone, Serialize)]
pub struct Candidate {
    /// Which kind of place.
    pub origin: Origin,
    /// The file or, for something not installed, the folder where it would be.
    pub path: PathBuf,
    /// The flavour, for a place in the cache.
    pub flavour: Option<Flavour>,
    /// The way by which it comes there, for a place in the cache.
    pub way: Option<Way>,
    /// What is there.
    #[serde(flatten)]
    pub state: CandidateState,
}

/// What is in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum CandidateState {
    /// A library that can be used.
    Usable {
        /// Its version.
        version: String,
    },
    /// Something that cannot be used.
    Refused {
        /// Why, as a clause that follows the path.
        reason: String,
    },
    /// Nothing; it can be installed.
    NotInstalled,
}

/// Looks at every place. Nothing is installed or changed; each library that is found is loaded for a moment.
pub fn status(options: &LibraryOptions) -> Status {
    let mut candidates = Vec::new();
    let mut file = |origin, path: PathBuf| {
        let state = match inspect::version_of(&path) {
            Ok(version) => CandidateState::Usable { version },
            Err(reason) => CandidateState::Refused { reason },
        };
        candidates.push(Candidate { origin, path, flavour: None, way: None, state });
    };
    if let Some(path) = options.named_path() {
        file(Origin::Env, path);
    }
    if options.search {
        find::beside_executable().into_iter().for_each(|path| file(Origin::BesideExecutable, path));
        find::in_system().into_iter().for_each(|path| file(Origin::System, path));
    }
    if let Ok(cache) = Cache::below(&options.cache_dir) {
        // The cache is searched before the system.
        let at = candidates.iter().position(|one| one.origin == Origin::System).unwrap_or(candidates.len());
        let installed: Vec<Candidate> = options
            .releases
            .iter()
            .flat_map(|release| release.artifacts.iter().map(move |artifact| (release.flavour, artifact)))
            .map(|(flavour, artifact)| {
                let slot = cache.slot(flavour, artifact);
                let (path, state) = match cache.adopt(flavour, artifact) {
                    Ok(path) => match inspect::version_of(&path) {
                        Ok(version) => (path, CandidateState::Usable { version }),
                        Err(reason) => (path, CandidateState::Refused { reason }),
                    },
                    Err(Rejection::Absent) => (slot, CandidateState::NotInstalled),
                    Err(Rejection::Damaged(reason)) => (slot, CandidateState::Refused { reason }),
                };
                Candidate {
                    origin: Origin::Cache,
                    path,
                    flavour: Some(flavour),
                    way: Some(artifact.way),
                    state,
                }
            })
            .collect();
        candidates.splice(at..at, installed);
    }
    Status { loaded: load::loaded().cloned(), cache_dir: options.cache_dir.clone(), candidates }
}
