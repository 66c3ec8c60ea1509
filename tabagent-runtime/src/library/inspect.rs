//! Looks at a file that claims to be ONNX Runtime before anything relies on it.
//!
//! `ort` aborts the process on a library that lacks the expected API, and the system's loader raises SIGBUS on a file
//! that ends too early. Both are ruled out here, and turned into a sentence.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::release::MINIMUM_MINOR;

/// The first two members of `OrtApiBase`, the one struct of ONNX Runtime's C API whose layout never changes.
#[repr(C)]
struct ApiBase {
    get_api: unsafe extern "system" fn(u32) -> *const c_void,
    get_version_string: unsafe extern "system" fn() -> *const c_char,
}

/// Loads the library at `path`, reads its version, checks that it offers the API that this program needs, and unloads it
/// again.
///
/// # Errors
///
/// Returns the reason, as a clause that follows the file's name, when the file is missing, cut off, for another
/// processor, not ONNX Runtime, or too old.
pub(crate) fn version_of(path: &Path) -> Result<String, String> {
    check_complete(path)?;
    // SAFETY: loading runs the library's initialisers. The path is one that the operator, the system or the verified
    // cache names as ONNX Runtime, whose initialisers have no preconditions.
    let library = unsafe { libloading::Library::new(path) }
        .map_err(|error| format!("cannot be loaded: {}", one_line(&error.to_string())))?;
    // SAFETY: the symbol of this name has this signature in every release of ONNX Runtime.
    let base = unsafe { library.get::<unsafe extern "system" fn() -> *const ApiBase>(c"OrtGetApiBase") }
        .map_err(|_| "is not ONNX Runtime: it exports no `OrtGetApiBase`".to_owned())?;
    // SAFETY: `OrtGetApiBase` takes no arguments and returns a static or null.
    let base = unsafe { base().as_ref() }.ok_or("returns no API")?;
    // SAFETY: returns a static string that lives as long as the library, which is copied before it is unloaded.
    let version = unsafe { (base.get_version_string)() };
    if version.is_null() {
        return Err("does not say its version".to_owned());
    }
    // SAFETY: not null, and NUL-terminated by the contract of the function.
    let version = unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned();
    check_version(&version)?;
    // SAFETY: any number may be asked for; an API that the library lacks is null. The pointer is only compared.
    if unsafe { (base.get_api)(MINIMUM_MINOR) }.is_null() {
        return Err(format!("is version {version} and lacks the C API {MINIMUM_MINOR}, which is needed"));
    }
    Ok(version)
}

fn check_version(version: &str) -> Result<(), String> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().ok());
    let (major, minor) = (parts.next().flatten(), parts.next().flatten());
    match (major, minor) {
        (Some(1), Some(minor)) if minor >= MINIMUM_MINOR => Ok(()),
        _ => Err(format!("is version {version}; 1.{MINIMUM_MINOR} or newer of the 1.x series is needed")),
    }
}

/// Checks that an ELF file is for this processor and reaches as far as its own headers say. Other formats are left to
/// their loaders, which check this themselves.
fn check_complete(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a file".to_owned());
    }
    if metadata.len() == 0 {
        return Err("is empty".to_owned());
    }
    if !cfg!(target_os = "linux") {
        return Ok(());
    }
    let mut head = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64 * 1024).read_to_end(&mut head))
        .map_err(|error| format!("cannot be read: {error}"))?;
    check_elf(&head, metadata.len())
}

fn check_elf(head: &[u8], file_len: u64) -> Result<(), String> {
    if head.get(..4) != Some(b"\x7fELF") {
        return Err("is not a shared library".to_owned());
    }
    // Class 64 bit, little endian: the layouts of every platform that ONNX Runtime is published for on Linux.
    if head.get(4..6) != Some(&[2, 1]) {
        return Err("is a library for another kind of processor".to_owned());
    }
    let expected_machine = match std::env::consts::ARCH {
        "x86_64" => Some(62),
        "aarch64" => Some(183),
        _ => None,
    };
    let machine = number(head, 18, 2);
    if expected_machine.is_some() && machine != expected_machine {
        return Err("is a library for another kind of processor".to_owned());
    }
    let cut = || "is cut off: it ends before its own headers say".to_owned();
    let field = |at: usize, size: usize| number(head, at, size).ok_or_else(cut);
    // The table of sections is the last thing in the files that linkers write; stripped files may lack it (all zero).
    let sections = field(40, 8)?.saturating_add(field(58, 2)? * field(60, 2)?);
    if sections > file_len {
        return Err(cut());
    }
    let (table, entry, count) = (field(32, 8)?, field(54, 2)?, field(56, 2)?);
    for index in 0..count {
        let at = usize::try_from(table.saturating_add(index * entry)).map_err(|_| cut())?;
        let end = field(at.saturating_add(8), 8)?.saturating_add(field(at.saturating_add(32), 8)?);
        if end > file_len {
            return Err(cut());
        }
    }
    Ok(())
}

/// The little-endian number of `size` bytes at `at`.
fn number(bytes: &[u8], at: usize, size: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(size)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

/// The text without line breaks, so that it fits into a list of reasons.
pub(crate) fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_before_the_api_and_other_series_are_refused() {
        assert!(check_version("1.31.1").is_ok());
        assert!(check_version(&format!("1.{MINIMUM_MINOR}.0")).is_ok());
        for bad in ["1.17.3", "2.0.0", "", "abc", "1"] {
            assert!(check_version(bad).unwrap_err().contains("is needed"), "{bad}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_cut_library_is_told_from_a_whole_one_without_loading_it() {
        let whole = std::fs::read("/proc/self/exe").unwrap();
        let len = u64::try_from(whole.len()).unwrap();
        assert_eq!(check_elf(&whole, len), Ok(()));
        assert!(check_elf(&whole, len - 1).unwrap_err().contains("cut off"));
        assert!(check_elf(&whole, 4096).unwrap_err().contains("cut off"));
        assert!(check_elf(&whole[..40], 40).unwrap_err().contains("cut off"));
        assert!(
            check_elf(b"PK\x03\x04 something else entirely", 40)
                .unwrap_err()
                .contains("not a shared library")
        );
    }
}
