//! Which files `tabagent ingest` sends: those that are named, and those below folders that are named, unless they are hidden
//! or of no kind that is read.

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Serialize;
use tabagent_runtime::documents::is_read;

/// Bytes of a file that say what it is, where its name does not.
const HEAD: u64 = 4096;

/// A file that is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// As it was found.
    pub(super) path: PathBuf,
    /// The same from wherever, and by whatever way to it, the command is run.
    pub(super) place: PathBuf,
}

/// A file, or a folder, of which nothing is kept, and why.
#[derive(Debug, Serialize)]
pub(super) struct Passed {
    pub(super) path: String,
    pub(super) reason: String,
}

impl Passed {
    pub(super) fn new(path: &Path, reason: impl fmt::Display) -> Self {
        Self { path: path.display().to_string(), reason: reason.to_string() }
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.reason)
    }
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) files: VecDeque<File>,
    /// Of no kind that is read.
    pub(super) skipped: Vec<Passed>,
    /// That cannot be read.
    pub(super) failed: Vec<Passed>,
}

/// Finds all files, each once, in the order of their names. A file that is named is sent whatever it is: the server says why
/// it does not read it.
pub(super) fn gather(paths: &[PathBuf]) -> Gathered {
    let mut gathered = Gathered::default();
    let mut seen = BTreeSet::new();
    for path in paths {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => below(path, &mut seen, &mut gathered),
            Ok(_) => gathered.add(path.clone(), &mut seen),
            Err(error) => gathered.failed.push(Passed::new(path, cannot(&error))),
        }
    }
    gathered
}

impl Gathered {
    /// Adds a file, unless it is there already.
    fn add(&mut self, path: PathBuf, seen: &mut BTreeSet<PathBuf>) {
        match fs::canonicalize(&path) {
            Ok(place) if !seen.insert(place.clone()) => {}
            Ok(place) => self.files.push_back(File { path, place }),
            Err(error) => self.failed.push(Passed::new(&path, cannot(&error))),
        }
    }
}

fn cannot(error: &io::Error) -> String {
    format!("cannot be read: {error}")
}

/// The files below a folder. A link to a folder is not followed: it may lead back.
fn below(folder: &Path, seen: &mut BTreeSet<PathBuf>, gathered: &mut Gathered) {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = match fs::read_dir(&folder).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => {
                gathered.failed.push(Passed::new(&folder, cannot(&error)));
                continue;
            }
        };
        let mut paths: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        paths.sort();
        let mut inner = Vec::new();
        for path in paths.into_iter().filter(|path| !is_hidden(path)) {
            let is_link = path.is_symlink();
            match fs::metadata(&path) {
                Ok(found) if found.is_dir() && is_link => {
                    gathered
                        .skipped
                        .push(Passed::new(&path, "is a link to a folder; name that folder itself"));
                }
                Ok(found) if found.is_dir() => inner.push(path),
                Ok(found) if !found.is_file() => {
                    gathered.skipped.push(Passed::new(&path, "is no file"));
                }
                Ok(_) => match head(&path) {
                    Ok(head) if head.is_empty() => gathered.skipped.push(Passed::new(&path, "is empty")),
                    Ok(head) if is_read(&path.to_string_lossy(), &head) => gathered.add(path, seen),
                    Ok(_) => gathered.skipped.push(Passed::new(&path, "is no text, and no PDF either")),
                    Err(error) => gathered.failed.push(Passed::new(&path, cannot(&error))),
                },
                Err(error) => gathered.failed.push(Passed::new(&path, cannot(&error))),
            }
        }
        folders.extend(inner.into_iter().rev());
    }
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'))
}

fn head(path: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    fs::File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_read_whole_hidden_files_are_left_and_others_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("b/deep")).unwrap();
        fs::create_dir_all(at(".git")).unwrap();
        for (name, content) in [
            ("b/deep/c.HTML", &b"<p>c"[..]),
            ("b/a.md", b"# a"),
            ("README", b"text without an extension"),
            ("z.txt", b"z"),
            (".git/config", b"hidden"),
            ("b/.hidden.md", b"hidden"),
            ("image.png", b"\x89PNG\r\n\x1a\n\0\0"),
            ("cut", "caf\u{e9} ".repeat(2000).as_bytes()),
            ("paper", b"%PDF-1.4\n\x00\x01\x00"),
            ("empty.md", b""),
        ] {
            fs::write(at(name), content).unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(folder.path(), at("b/loop")).unwrap();
        let found = gather(&[at("b/../z.txt"), folder.path().to_owned(), at("nothing"), at("image.png")]);
        let names: Vec<String> = found
            .files
            .iter()
            .map(|file| file.path.strip_prefix(folder.path()).unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["b/../z.txt", "README", "cut", "paper", "b/a.md", "b/deep/c.HTML", "image.png"]);
        let skipped: Vec<&str> = found.skipped.iter().map(|passed| passed.reason.as_str()).collect();
        let expected =
            ["is empty", "is no text, and no PDF either", "is a link to a folder; name that folder itself"];
        assert_eq!(skipped, expected[..skipped.len()]);
        assert!(found.skipped.len() >= 2 && found.failed.len() == 1, "{found:?}");
        assert!(found.failed[0].to_string().contains("nothing: cannot be read"), "{found:?}");
    }
}
