//! The disk that holds the models.

use std::{
    fs::Metadata,
    path::{Path, PathBuf},
};

use serde::Serialize;
use sysinfo::{DiskRefreshKind, Disks};

/// Folders deeper than this below the models folder are not counted; models lie two or three deep.
pub(super) const MAX_DEPTH: usize = 12;

/// The models folder and its disk, in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Storage {
    /// The models folder.
    pub models_dir: PathBuf,
    /// What the files below it take.
    pub used: u64,
    /// What is free on its disk for this user, where the system tells.
    pub free: Option<u64>,
    /// The size of its disk, where the system tells.
    pub total: Option<u64>,
}

/// Looks at the folder, which need not exist yet.
pub(super) fn of(models_dir: &Path) -> Storage {
    let (free, total) = match disk_of(models_dir) {
        Some((free, total)) => (Some(free), Some(total)),
        None => (None, None),
    };
    Storage { models_dir: models_dir.to_owned(), used: size_below(models_dir, MAX_DEPTH), free, total }
}

/// Free and total bytes of the disk that the path, or the nearest folder above it that exists, lies on.
pub(super) fn disk_of(path: &Path) -> Option<(u64, u64)> {
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find_map(|folder| folder.canonicalize().ok())?;
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_storage()).ok()?;
    disks
        .iter()
        .filter(|disk| existing.starts_with(disk.mount_point()))
        .max_by_key(|disk| disk.mount_point().components().count())
        .map(|disk| (disk.available_space(), disk.total_space()))
}

/// Bytes of the files below the folder. Links are not followed: what they point to is counted where it lies.
pub(super) fn size_below(folder: &Path, depth: usize) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            Some(match (metadata.is_dir(), depth) {
                (true, 0) => 0,
                (true, _) => size_below(&entry.path(), depth - 1),
                (false, _) => taken(&metadata),
            })
        })
        .sum()
}

/// Bytes of a file. One that is being pulled has holes, which take nothing.
fn taken(metadata: &Metadata) -> u64 {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        metadata.len().min(metadata.blocks().saturating_mul(512))
    }
    #[cfg(not(unix))]
    metadata.len()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn files_below_the_folder_are_counted_and_its_disk_is_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("a/b")).unwrap();
        for (name, size) in [("a/one", 100), ("a/b/two", 23)] {
            let mut file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.write_all(&vec![1; size]).unwrap();
            // Some file systems give a file its blocks only then.
            file.sync_all().unwrap();
        }
        #[cfg(unix)]
        std::fs::File::create(folder.path().join("a/hole")).unwrap().set_len(1 << 30).unwrap();
        let storage = of(folder.path());
        assert_eq!(storage.used, 123);
        assert!(storage.free.unwrap() <= storage.total.unwrap());
        let absent = of(&folder.path().join("not/yet"));
        assert_eq!((absent.used, absent.total), (0, storage.total));
    }
}
