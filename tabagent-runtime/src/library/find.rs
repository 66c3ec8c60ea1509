//! Where a library may lie that somebody else put there: beside the executable and in the system's folders.

use std::path::{Path, PathBuf};

/// Files beside the executable, or in `lib` beside it, that are named like the library.
pub(crate) fn beside_executable() -> Vec<PathBuf> {
    let Some(folder) = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned)) else {
        return Vec::new();
    };
    [folder.clone(), folder.join("lib")].iter().flat_map(|folder| named_like_it(folder)).collect()
}

/// Files in the folders that the system's loader or a package manager would use.
pub(crate) fn in_system() -> Vec<PathBuf> {
    let (variable, fixed): (&str, &[&str]) = match std::env::consts::OS {
        "windows" => ("PATH", &[]),
        "macos" => ("DYLD_LIBRARY_PATH", &["/opt/homebrew/lib", "/usr/local/lib"]),
        _ => (
            "LD_LIBRARY_PATH",
            &["/usr/local/lib", "/usr/local/lib64", "/usr/lib64", "/usr/lib", "/opt/onnxruntime/lib"],
        ),
    };
    let listed = std::env::var_os(variable).unwrap_or_default();
    let multiarch = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
    let mut files = Vec::new();
    let folders = std::env::split_paths(&listed)
        .filter(|folder| folder.is_absolute())
        .chain(cfg!(target_os = "linux").then(|| PathBuf::from(multiarch)))
        .chain(fixed.iter().map(PathBuf::from));
    for file in folders.flat_map(|folder| named_like_it(&folder)) {
        if !files.contains(&file) {
            files.push(file);
        }
    }
    files
}

/// Files of the folder named like the library, the unversioned name first, then the newest version. Links to one file
/// count once.
fn named_like_it(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| is_library_name(name))
        .collect();
    names.sort_by_key(|name| (version_in(name).is_some(), std::cmp::Reverse(version_in(name))));
    let mut seen = Vec::new();
    names
        .into_iter()
        .map(|name| folder.join(name))
        .filter(|path| {
            let target = path.canonicalize().unwrap_or_else(|_| path.clone());
            let new = !seen.contains(&target);
            seen.push(target);
            new
        })
        .collect()
}

fn is_library_name(name: &str) -> bool {
    match std::env::consts::OS {
        "windows" => name.eq_ignore_ascii_case("onnxruntime.dll"),
        "macos" => is_versioned(name, "libonnxruntime", ".dylib"),
        _ => name == "libonnxruntime.so" || is_versioned(name, "libonnxruntime.so", ""),
    }
}

/// Whether the name is `prefix`, dotted numbers or nothing, `suffix`.
fn is_versioned(name: &str, prefix: &str, suffix: &str) -> bool {
    let middle = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(suffix));
    middle.is_some_and(|middle| middle.bytes().all(|byte| byte == b'.' || byte.is_ascii_digit()))
}

/// The dotted numbers in the name, for comparison.
fn version_in(name: &str) -> Option<Vec<u32>> {
    let numbers: Vec<u32> = name.split('.').filter_map(|part| part.parse().ok()).collect();
    (!numbers.is_empty()).then_some(numbers)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_the_library_itself_is_a_candidate_and_the_newest_version_comes_first() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "libonnxruntime.so.1.9.0",
            "libonnxruntime.so.1.31.1",
            "libonnxruntime_providers_cuda.so",
            "libonnxruntime.so.bak",
            "libonnx.so",
        ] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let link = folder.path().join("libonnxruntime.so");
        std::os::unix::fs::symlink(folder.path().join("libonnxruntime.so.1.9.0"), &link).unwrap();
        let found = named_like_it(folder.path());
        assert_eq!(found, [link, folder.path().join("libonnxruntime.so.1.31.1")]);
    }
}
