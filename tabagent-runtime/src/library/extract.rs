//! Takes the named files out of an archive: a tar.gz, or a zip such as a wheel.
//!
//! Only what a pin names is written, under the name that the pin gives it; no path inside the archive reaches the disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::release::Member;

/// Largest file that is taken out, in bytes. The CUDA provider is 284 MB.
const MAX_MEMBER: u64 = 2 << 30;

/// Writes every member into `folder` and syncs it.
///
/// # Errors
///
/// Returns the reason when the archive is damaged, lacks a member, or the disk refuses.
pub(crate) fn extract(archive: &Path, members: &[Member], folder: &Path) -> Result<(), String> {
    let mut head = [0; 2];
    let mut file = File::open(archive).map_err(|error| format!("cannot be opened: {error}"))?;
    file.read_exact(&mut head).map_err(|error| format!("cannot be read: {error}"))?;
    match &head {
        b"PK" => from_zip(archive, members, folder),
        [0x1f, 0x8b] => from_tar(archive, members, folder),
        _ => Err("is neither a zip nor a tar.gz archive".to_owned()),
    }
}

fn from_zip(archive: &Path, members: &[Member], folder: &Path) -> Result<(), String> {
    let file = File::open(archive).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut zip = zip::ZipArchive::new(file).map_err(|error| format!("is not a readable zip: {error}"))?;
    for member in members {
        let mut entry =
            zip.by_name(&member.path).map_err(|error| format!("lacks `{}`: {error}", member.path))?;
        write_member(&mut entry, member, folder)?;
    }
    Ok(())
}

fn from_tar(archive: &Path, members: &[Member], folder: &Path) -> Result<(), String> {
    let file = File::open(archive).map_err(|error| format!("cannot be opened: {error}"))?;
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(io::BufReader::new(file)));
    let unreadable = |error: io::Error| format!("is not a readable tar.gz: {error}");
    let mut missing: Vec<&Member> = members.iter().collect();
    for entry in tar.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let path = entry.path().map_err(unreadable)?.to_string_lossy().into_owned();
        let path = path.strip_prefix("./").unwrap_or(&path);
        let Some(at) = missing.iter().position(|member| member.path == path) else { continue };
        if !entry.header().entry_type().is_file() {
            return Err(format!("holds `{path}` as something other than a file"));
        }
        write_member(&mut entry, missing.swap_remove(at), folder)?;
        if missing.is_empty() {
            return Ok(());
        }
    }
    match missing.first() {
        Some(member) => Err(format!("lacks `{}`", member.path)),
        None => Ok(()),
    }
}

fn write_member(from: &mut impl Read, member: &Member, folder: &Path) -> Result<(), String> {
    let failed = |error: io::Error| format!("`{}` cannot be taken out: {error}", member.path);
    let mut file = File::create_new(folder.join(&member.file_name)).map_err(failed)?;
    let copied = io::copy(&mut from.take(MAX_MEMBER + 1), &mut file).map_err(failed)?;
    if copied > MAX_MEMBER {
        return Err(format!("`{}` is larger than {MAX_MEMBER} bytes", member.path));
    }
    file.flush().and_then(|()| file.sync_all()).map_err(failed)
}
