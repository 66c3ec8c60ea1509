//! A download that is not complete: a sparse file, and beside it a journal of the ranges that are there.
//!
//! A line of the journal is written after the bytes that it tells of, so a process that is killed loses what its journal does
//! not say, a few hundred kilobytes a connection. A power cut may take bytes that were told of and not the line; so from time
//! to time the bytes are synced and a line says so, and on another boot only what stands before that line counts. What is
//! wrong in spite of it is found by the checksum.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

/// First word of a journal, with the version of its form.
const MAGIC: &str = "tabagent-part-1";
/// Bytes that are there and not synced, at most.
const SYNC_EVERY: u64 = 64 << 20;

/// First byte of a range, and the one after its last.
pub(crate) type Range = (u64, u64);

/// A file that is being downloaded.
#[derive(Debug)]
pub(crate) struct Part {
    data: PathBuf,
    journal_path: PathBuf,
    journal: File,
    size: u64,
    /// Sorted, apart from each other.
    done: Vec<Range>,
    unsynced: u64,
}

impl Part {
    /// Opens the part `name` in a folder, with what is there of it; one of another size starts over.
    pub(crate) fn open(folder: &Path, name: &str, size: u64) -> io::Result<Self> {
        let data = folder.join(format!("{name}.part"));
        let journal_path = folder.join(format!("{name}.journal"));
        let file = regular(OpenOptions::new().create(true).truncate(false).read(true).write(true), &data)?;
        let told = fs::read_to_string(&journal_path).unwrap_or_default();
        let done = if file.metadata()?.len() == size { ranges_in(&told, size, &boot()) } else { None };
        let done = done.unwrap_or_default();
        if done.is_empty() {
            // Nothing of what is there counts.
            file.set_len(0)?;
        }
        file.set_len(size)?;
        file.sync_all()?;
        // Written anew: the last line of the old one may be half a line.
        let mut text = format!("{MAGIC} {size} {}\n", boot());
        for (from, to) in &done {
            text.push_str(&format!("+ {from} {to}\n"));
        }
        text.push_str("=\n");
        let fresh = folder.join(format!("{name}.journal.new"));
        let mut journal = regular(OpenOptions::new().create(true).truncate(true).write(true), &fresh)?;
        journal.write_all(text.as_bytes())?;
        journal.sync_all()?;
        fs::rename(&fresh, &journal_path)?;
        Ok(Self { data, journal_path, journal, size, done, unsynced: 0 })
    }

    /// Bytes that are there.
    pub(crate) fn bytes(&self) -> u64 {
        self.done.iter().map(|(from, to)| to - from).sum()
    }

    /// What is not there, in order.
    pub(crate) fn missing(&self) -> Vec<Range> {
        let mut missing = Vec::new();
        let mut at = 0;
        for (from, to) in &self.done {
            if at < *from {
                missing.push((at, *from));
            }
            at = *to;
        }
        if at < self.size {
            missing.push((at, self.size));
        }
        missing
    }

    /// The file, to be written to.
    pub(crate) fn path(&self) -> &Path {
        &self.data
    }

    /// Tells the journal that a range has been written.
    pub(crate) fn record(&mut self, (from, to): Range) -> io::Result<()> {
        if from >= to {
            return Ok(());
        }
        self.journal.write_all(format!("+ {from} {to}\n").as_bytes())?;
        add(&mut self.done, (from, to));
        self.unsynced += to - from;
        if self.unsynced >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Makes what is there survive a power cut.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        File::open(&self.data)?.sync_data()?;
        self.journal.write_all(b"=\n")?;
        self.journal.sync_data()?;
        self.unsynced = 0;
        Ok(())
    }

    /// Throws away what is there.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.data)?;
        fs::remove_file(&self.journal_path)
    }

    /// Puts the complete file, whose content was checked, in its place.
    pub(crate) fn publish(self, place: &Path) -> io::Result<()> {
        File::open(&self.data)?.sync_all()?;
        fs::rename(&self.data, place)?;
        fs::remove_file(&self.journal_path)
    }
}

/// Opens a file that is there as a regular file, or not at all: what a link leads to is not written.
fn regular(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => Err(io::Error::other(format!("{} is no file", path.display()))),
        _ => options.open(path),
    }
}

/// Writes bytes at a place in a file.
pub(crate) fn write_at(file: &mut File, at: u64, bytes: &[u8]) -> io::Result<()> {
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

/// The ranges that a journal tells of a file of this size; `None` where it is of another file.
fn ranges_in(text: &str, size: u64, boot: &str) -> Option<Vec<Range>> {
    // What follows the last line break was not written to its end.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut lines = whole.lines();
    let head: Vec<&str> = lines.next()?.split(' ').collect();
    if head.len() != 3 || head[0] != MAGIC || head[1] != size.to_string() {
        return None;
    }
    let same_boot = head[2] == boot && !boot.is_empty();
    let (mut done, mut synced) = (Vec::new(), Vec::new());
    for line in lines {
        if line == "=" {
            synced.clone_from(&done);
        } else {
            let (from, to) = line.strip_prefix("+ ")?.split_once(' ')?;
            let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            if from >= to || to > size {
                return None;
            }
            add(&mut done, (from, to));
        }
    }
    Some(if same_boot { done } else { synced })
}

/// Adds a range to sorted ones, and joins those that touch.
fn add(ranges: &mut Vec<Range>, (mut from, mut to): Range) {
    let first = ranges.partition_point(|(_, end)| *end < from);
    let after = ranges.partition_point(|(begin, _)| *begin <= to);
    if let (Some((begin, _)), Some((_, end))) =
        (ranges.get(first), after.checked_sub(1).and_then(|last| ranges.get(last)))
        && first < after
    {
        (from, to) = (from.min(*begin), to.max(*end));
    }
    ranges.splice(first..after.max(first), [(from, to)]);
}

/// Which boot of the machine this is; empty where the system does not tell.
fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_join_where_they_touch() {
        let mut ranges = Vec::new();
        for range in [(10, 20), (30, 40), (0, 5), (20, 25), (5, 10), (50, 60)] {
            add(&mut ranges, range);
        }
        assert_eq!(ranges, [(0, 25), (30, 40), (50, 60)]);
        add(&mut ranges, (24, 52));
        assert_eq!(ranges, [(0, 60)]);
    }

    #[test]
    fn what_was_told_is_there_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::open(folder.path(), "x", 100).unwrap();
        assert_eq!((part.bytes(), part.missing()), (0, vec![(0, 100)]));
        let mut file = OpenOptions::new().write(true).open(part.path()).unwrap();
        write_at(&mut file, 10, &[7; 20]).unwrap();
        part.record((10, 30)).unwrap();
        part.record((50, 60)).unwrap();
        drop(part);
        // A line that was being written when the process was killed.
        let journal = folder.path().join("x.journal");
        let text = fs::read_to_string(&journal).unwrap();
        fs::write(&journal, format!("{text}+ 60 7")).unwrap();
        let part = Part::open(folder.path(), "x", 100).unwrap();
        let missing = vec![(0, 10), (30, 50), (60, 100)];
        assert_eq!((part.bytes(), part.missing()), (if boot().is_empty() { 0 } else { 30 }, missing));
        assert_eq!(fs::read(part.path()).unwrap()[10..30], [7; 20]);
        let place = folder.path().join("done");
        part.publish(&place).unwrap();
        assert_eq!(fs::read(&place).unwrap().len(), 100);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn on_another_boot_only_what_was_synced_counts() {
        let text = format!("{MAGIC} 100 here\n+ 0 10\n=\n+ 10 20\n");
        assert_eq!(ranges_in(&text, 100, "here").unwrap(), [(0, 20)]);
        assert_eq!(ranges_in(&text, 100, "there").unwrap(), [(0, 10)]);
        assert_eq!(ranges_in(&text, 100, "").unwrap(), [(0, 10)]);
        for damaged in [
            "",
            "x",
            "tabagent-part-1 99 here\n",
            "tabagent-part-1 100 here\n+ 5 500\n",
            "tabagent-part-1 100 here\n??\n",
        ] {
            assert_eq!(ranges_in(damaged, 100, "here"), None, "{damaged}");
        }
    }

    #[test]
    fn another_size_starts_over() {
        let folder = tempfile::tempdir().unwrap();
        Part::open(folder.path(), "x", 100).unwrap().record((0, 50)).unwrap();
        let part = Part::open(folder.path(), "x", 101).unwrap();
        assert_eq!((part.bytes(), fs::metadata(part.path()).unwrap().len()), (0, 101));
    }
}
