//! One pull, from the reference to the model in its folder.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{
    checksum::Checksum,
    choose::{self, Offer, Wanted, megabytes},
    client::Client,
    folder::{Folder, Origin, State, create, unusable},
    job::Watched,
    lock::Lock,
    options::HubOptions,
    part::Part,
    reference::Reference,
    repository::{self, Repository},
    transfer::{Blob, Control, Stop, fetch, persist},
};
use crate::{
    device::Device,
    error::BackendError,
    hardware,
    models::{ModelFiles, ModelKind, describe},
};

/// Bytes that stay free on the disk.
const SPARE: u64 = 64 << 20;

/// What a pull needs to know.
pub(super) struct Pull<'a> {
    pub(super) options: &'a HubOptions,
    pub(super) models_dir: &'a Path,
    pub(super) device: Device,
    pub(super) reference: &'a Reference,
    pub(super) control: &'a Control,
    pub(super) watched: &'a Watched,
}

/// A pull under way.
struct Work<'a> {
    pull: &'a Pull<'a>,
    client: Client,
    folder: Folder,
    lock: Lock,
    repository: Repository,
    state: Mutex<State>,
    /// The model that lies there now and was pulled before: what is the same is taken from it.
    before: Option<Origin>,
}

impl Pull<'_> {
    /// Pulls.
    pub(super) fn run(&self) -> Result<(), Stop> {
        let id = self.reference.repository();
        let client = Client::new(self.options)?;
        let folder = Folder::open(self.models_dir, id)?;
        let lock = folder.lock()?;
        folder.mend(&lock)?;
        folder.may_replace()?;
        let repository = persist(self.options, self.control, || repository::ask(&client, self.reference))?;
        let offers = choose::offers(id, &repository)?;
        let named = self.reference.variant().map(|name| choose::named(&offers, name)).transpose()?;
        let before = folder.origin();
        let same = before.as_ref().filter(|origin| {
            origin.commit == repository.commit && named.is_none_or(|offer| offer.name == origin.variant)
        });
        if let Some(origin) = same
            && self.is_whole(&folder.target(), origin, &repository)?
        {
            self.watched.chosen(&origin.variant, &origin.commit, "it is here already");
            return Ok(());
        }
        folder.prepare(&lock)?;
        let mut work = Work { pull: self, client, folder, lock, repository, state: Mutex::default(), before };
        work.take_up_state()?;
        let (offer, why) = work.begin(&offers, named)?;
        self.watched.chosen(&offer.name, &work.repository.commit, &why);
        tracing::info!(model = id, variant = offer.name, why, "pulling");
        let graphs = offer.files.clone();
        work.prune(&[&choose::beside(&work.repository, offer.folder.as_deref())[..], &graphs].concat())?;
        work.bring(&graphs)?;
        work.publish(&offer.name)
    }

    /// Whether all files of a model that was pulled are still what the hub states, which takes reading them: pulling again is
    /// how a damaged model is mended.
    fn is_whole(&self, target: &Path, origin: &Origin, repository: &Repository) -> Result<bool, Stop> {
        for (path, digits) in &origin.files {
            let stated = repository.files.iter().find_map(|file| {
                let checksum = file.checksum.as_ref().filter(|stated| stated.digits() == digits)?;
                Some((checksum, file.size))
            });
            let Some((checksum, size)) = stated else { return Ok(false) };
            if !self.has(&target.join(path), checksum, size)? {
                return Ok(false);
            }
        }
        Ok(!origin.files.is_empty())
    }

    /// Whether a regular file has this content. One that cannot be read has not.
    fn has(&self, path: &Path, checksum: &Checksum, size: u64) -> Result<bool, Stop> {
        let found = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file);
        if found.is_none_or(|found| found.len() != size) {
            return Ok(false);
        }
        match checksum.of_file(path, || self.control.runs()) {
            Ok(None) => Err(Stop::Told),
            Ok(Some(actual)) => Ok(actual == *checksum),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a file cannot be read: it is fetched afresh");
                Ok(false)
            }
        }
    }
}

impl<'a> Work<'a> {
    /// Brings the files beside the ONNX files, and chooses the variant: which one suits depends on what the model is, and that
    /// is what these files tell.
    fn begin<'o>(&self, offers: &'o [Offer], named: Option<&'o Offer>) -> Result<(&'o Offer, String), Stop> {
        let device = self.pull.device;
        let features = hardware::cpu_features();
        let choose = |kind| {
            choose::choose(offers, kind, device, &features)
                .ok_or_else(|| Stop::Failed(BackendError::internal("a repository without variants")))
        };
        // Folders with one variant each are decoders, and which one it is decides on the files beside it.
        let folder = match named {
            Some(offer) => offer.folder.clone(),
            None if offers.iter().all(|offer| offer.folder.is_some()) => {
                choose(ModelKind::Chat)?.0.folder.clone()
            }
            None => None,
        };
        self.bring(&choose::beside(&self.repository, folder.as_deref()))?;
        let id = self.pull.reference.repository();
        // What this runtime cannot serve is told before gigabytes are fetched.
        let description = describe(id, &ModelFiles::Folder(self.folder.files()))?;
        match named {
            Some(offer) => Ok((offer, "it was asked for".to_owned())),
            None => choose(description.kind),
        }
    }

    /// Keeps of an earlier pull what is still the same.
    fn take_up_state(&mut self) -> Result<(), Stop> {
        let mut state = self.folder.state();
        state.commit.clone_from(&self.repository.commit);
        let files = self.folder.files();
        state.files.retain(|path, _| files.join(path).is_file());
        *self.state() = state;
        Ok(())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what an earlier pull left and this one does not want.
    fn prune(&self, wanted: &[Wanted]) -> Result<(), Stop> {
        let mut state = self.state();
        let files = self.folder.files();
        for path in state.files.keys().filter(|path| !wanted.iter().any(|wanted| wanted.place == **path)) {
            let path = files.join(path);
            fs::remove_file(&path).map_err(|error| unusable(&path, &error))?;
        }
        state.files.retain(|path, _| wanted.iter().any(|wanted| wanted.place == *path));
        self.folder.keep_state(&state)?;
        let parts = self.folder.parts();
        for entry in fs::read_dir(&parts).map_err(|error| unusable(&parts, &error))?.flatten() {
            let name = entry.file_name();
            let digits = name.to_string_lossy().split('.').next().unwrap_or_default().to_owned();
            let is = |wanted: &Wanted| wanted.file.checksum.as_ref().is_some_and(|it| it.digits() == digits);
            if !wanted.iter().any(is) {
                fs::remove_file(entry.path()).map_err(|error| unusable(&entry.path(), &error))?;
            }
        }
        Ok(())
    }

    /// Brings files: from where they are already, else from the hub.
    fn bring(&self, wanted: &[Wanted]) -> Result<(), Stop> {
        let mut missing: Vec<(&Wanted, Checksum, Arc<AtomicU64>)> = Vec::new();
        for wanted in wanted {
            let checksum = wanted.file.checksum.clone().ok_or_else(|| {
                let reason = format!("the hub states no checksum of `{}`", wanted.file.path);
                BackendError::configuration("hub-endpoint", reason)
            })?;
            let done = self.pull.watched.file(&wanted.place, wanted.file.size);
            if self.is_there(wanted, &checksum)? {
                done.store(wanted.file.size, Relaxed);
            } else {
                missing.push((wanted, checksum, done));
            }
        }
        self.check_disk(&missing)?;
        let mut damaged: Vec<String> = Vec::new();
        loop {
            let wrong = Mutex::new(Vec::new());
            let blobs = self.blobs(&missing, &damaged)?;
            let finish = |blob: &Blob| self.finish(blob, &missing, &wrong);
            fetch(&self.client, &blobs, self.pull.options, self.pull.control, finish)?;
            // What an earlier process left may be damaged; once, such a file is fetched afresh.
            damaged = wrong.into_inner().unwrap_or_else(PoisonError::into_inner);
            if damaged.is_empty() {
                return Ok(());
            }
        }
    }

    /// The contents that are fetched, each once. `again`: only these.
    fn blobs(
        &self,
        missing: &[(&Wanted, Checksum, Arc<AtomicU64>)],
        again: &[String],
    ) -> Result<Vec<Blob>, Stop> {
        let mut blobs: Vec<Blob> = Vec::new();
        for (wanted, checksum, done) in missing {
            let known = blobs.iter().any(|blob| blob.checksum == *checksum);
            if known || !(again.is_empty() || again.iter().any(|digits| digits == checksum.digits())) {
                continue;
            }
            let parts = self.folder.parts();
            let part = Part::open(&parts, checksum.digits(), wanted.file.size)
                .map_err(|error| unusable(&parts, &error))?;
            done.store(part.bytes(), Relaxed);
            blobs.push(Blob {
                path: wanted.file.path.clone(),
                url: repository::url(
                    &self.client,
                    self.pull.reference,
                    &self.repository.commit,
                    &wanted.file.path,
                ),
                commit: self.repository.commit.clone(),
                checksum: checksum.clone(),
                size: wanted.file.size,
                data: part.path().to_owned(),
                fresh: part.bytes() == 0,
                part: Mutex::new(Some(part)),
                location: Mutex::default(),
                done: Arc::clone(done),
            });
        }
        Ok(blobs)
    }

    /// Checks a content that is all there, and puts it in its places.
    fn finish(
        &self,
        blob: &Blob,
        missing: &[(&Wanted, Checksum, Arc<AtomicU64>)],
        wrong: &Mutex<Vec<String>>,
    ) -> Result<(), Stop> {
        let control = self.pull.control;
        let failed = |error: std::io::Error| unusable(&blob.data, &error);
        let actual = blob.checksum.of_file(&blob.data, || control.runs()).map_err(failed)?;
        let Some(actual) = actual else { return Err(Stop::Told) };
        let part = blob.part.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(part) = part else { return Ok(()) };
        if actual != blob.checksum {
            part.remove().map_err(failed)?;
            if blob.fresh {
                let reason = format!(
                    "`{}` has the wrong checksum: the hub states {}, and what came has {actual}; pull again",
                    blob.path, blob.checksum
                );
                return Err(BackendError::corrupted(self.pull.reference.repository(), reason).into());
            }
            tracing::warn!(file = blob.path, "what was there of an earlier pull is damaged: it starts over");
            wrong.lock().unwrap_or_else(PoisonError::into_inner).push(blob.checksum.digits().to_owned());
            return Ok(());
        }
        let mut part = Some(part);
        let mut first: Option<std::path::PathBuf> = None;
        for (wanted, _, done) in missing.iter().filter(|(_, checksum, _)| *checksum == blob.checksum) {
            let place = self.folder.place(&wanted.place)?;
            match (part.take(), &first) {
                (Some(part), _) => part.publish(&place).map_err(failed)?,
                (None, Some(first)) => copy(first, &place).map_err(|error| unusable(&place, &error))?,
                (None, None) => {}
            }
            first.get_or_insert_with(|| place.clone());
            done.store(wanted.file.size, Relaxed);
            self.keep(wanted, &blob.checksum)?;
        }
        Ok(())
    }

    /// Notes that a file is whole.
    fn keep(&self, wanted: &Wanted, checksum: &Checksum) -> Result<(), Stop> {
        let mut state = self.state();
        state.files.insert(wanted.place.clone(), checksum.digits().to_owned());
        Ok(self.folder.keep_state(&state)?)
    }

    /// Whether a file is whole: kept by an earlier pull, or to be had from this machine.
    fn is_there(&self, wanted: &Wanted, checksum: &Checksum) -> Result<bool, Stop> {
        let place = self.folder.place(&wanted.place)?;
        let kept = self.state().files.get(&wanted.place).is_some_and(|digits| digits == checksum.digits());
        // What is kept may share its bytes with the model in its place, where somebody may have changed them since.
        if kept && self.pull.has(&place, checksum, wanted.file.size)? {
            return Ok(true);
        }
        if wanted.file.size == 0 {
            create(&place).map_err(|error| unusable(&place, &error))?;
            self.keep(wanted, checksum)?;
            return Ok(true);
        }
        let before = self.before.as_ref().and_then(|origin| {
            let same = origin.files.iter().find(|(_, digits)| *digits == checksum.digits());
            same.map(|(path, _)| self.folder.target().join(path))
        });
        let cached = self.pull.options.cache.as_ref().map(|cache| {
            let name = format!("models--{}", self.pull.reference.repository().replace('/', "--"));
            cache.join(name).join("blobs").join(checksum.digits())
        });
        for path in before.into_iter().chain(cached) {
            if self.pull.has(&path, checksum, wanted.file.size)? {
                copy(&path, &place).map_err(|error| unusable(&place, &error))?;
                self.keep(wanted, checksum)?;
                tracing::debug!(file = wanted.place, from = %path.display(), "a file is here already");
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether what is missing fits on the disk.
    fn check_disk(&self, missing: &[(&Wanted, Checksum, Arc<AtomicU64>)]) -> Result<(), Stop> {
        let there = |digits: &str| {
            let path = self.folder.parts().join(format!("{digits}.part"));
            // A sparse file takes what was written of it.
            fs::metadata(path).map_or(0, |found| allocated(&found))
        };
        let needed: u64 = missing
            .iter()
            .map(|(wanted, checksum, _)| wanted.file.size.saturating_sub(there(checksum.digits())))
            .fold(0, u64::saturating_add);
        let Some(free) = hardware::free_space(self.folder.root()) else { return Ok(()) };
        if needed == 0 || needed.saturating_add(SPARE) <= free {
            return Ok(());
        }
        let reason = format!(
            "the disk of {} has {} free, and `{}` needs {} more and {} to spare; make room, or name a folder on another disk \
             with --models-dir",
            self.folder.root().display(),
            megabytes(free),
            self.pull.reference,
            megabytes(needed),
            megabytes(SPARE)
        );
        Err(BackendError::configuration("models-dir", reason).into())
    }

    /// Makes a model of what is there.
    fn publish(&self, variant: &str) -> Result<(), Stop> {
        let files: BTreeMap<String, String> = self.state().files.clone();
        let origin = Origin {
            repository: self.pull.reference.repository().to_owned(),
            revision: self.pull.reference.revision().to_owned(),
            commit: self.repository.commit.clone(),
            variant: variant.to_owned(),
            files,
        };
        Ok(self.folder.publish(&origin, &self.lock)?)
    }
}

/// Puts a file in another place as well: the same bytes on the disk where that can be, else a copy.
fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    match fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to)?;
    fs::File::open(to)?.sync_all()
}

/// Bytes that a file takes on the disk.
fn allocated(found: &fs::Metadata) -> u64 {
    #[cfg(unix)]
    return std::os::unix::fs::MetadataExt::blocks(found) * 512;
    #[cfg(not(unix))]
    return found.len();
}
