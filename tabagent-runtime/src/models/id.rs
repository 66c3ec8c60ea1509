//! Model ids: the path below the models folder, written with `/`, and never a way out of it.

use std::path::{Component, Path, PathBuf};

use crate::error::{BackendError, Result};

/// Longest id that is looked up, in bytes.
const MAX_ID: usize = 255;
/// Most folders between the models folder and a model: `owner/name`, and one level for grouping.
pub(crate) const MAX_DEPTH: usize = 3;

/// Checks that `id` can name a folder below the models folder: one to three plain names joined by `/`.
///
/// # Errors
/// [`BackendError::ModelNotFound`] where it cannot: no such model can exist.
pub fn check(id: &str) -> Result<()> {
    let plain = |name: &str| {
        !name.is_empty()
            && !name.starts_with('.')
            && !name
                .chars()
                .any(|c| c.is_control() || matches!(c, '\\' | ':' | '<' | '>' | '"' | '|' | '?' | '*'))
    };
    if id.len() <= MAX_ID && id.split('/').count() <= MAX_DEPTH && id.split('/').all(plain) {
        Ok(())
    } else {
        Err(BackendError::ModelNotFound {
            model: id.chars().filter(|c| !c.is_control()).take(MAX_ID).collect(),
        })
    }
}

/// The folder of `id` below `root`, with symbolic links resolved and still below `root`.
///
/// # Errors
/// [`BackendError::ModelNotFound`] where there is no such folder, or where a link leads out of `root`.
pub fn resolve(root: &Path, id: &str) -> Result<PathBuf> {
    check(id)?;
    let missing = || BackendError::ModelNotFound { model: id.to_owned() };
    let root = root.canonicalize().map_err(|_| missing())?;
    let folder = root.join(id).canonicalize().map_err(|_| missing())?;
    if folder.starts_with(&root) && folder != root && folder.is_dir() { Ok(folder) } else { Err(missing()) }
}

/// Joins a path that a model's own files name (`1_Pooling`) to `base`; `None` where it would leave `base`.
pub(crate) fn join_inside(base: &str, relative: &str) -> Option<String> {
    let mut parts: Vec<&str> = base.split('/').filter(|part| !part.is_empty()).collect();
    for component in Path::new(relative).components() {
        match component {
            Component::Normal(name) => parts.push(name.to_str()?),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_ecosystem_are_accepted() {
        for id in ["tabagent-embed", "sentence-transformers/all-MiniLM-L6-v2", "a/b/c", "Ünï/ço-dé 2"] {
            check(id).unwrap_or_else(|error| panic!("{id}: {error}"));
        }
    }

    #[test]
    fn ids_that_leave_the_folder_are_not_found() {
        for id in [
            "",
            ".",
            "..",
            "../x",
            "a/../b",
            "/etc",
            "a//b",
            "a/",
            "a\0b",
            "a\\..\\b",
            "C:/x",
            ".hidden/x",
            "a/b/c/d",
            &"x".repeat(256),
        ] {
            assert!(matches!(check(id), Err(BackendError::ModelNotFound { .. })), "{id:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_folder_is_not_followed() {
        let outside = tempfile::tempdir().unwrap();
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("real")).unwrap();
        std::os::unix::fs::symlink(outside.path(), root.path().join("out")).unwrap();
        std::os::unix::fs::symlink(root.path().join("real"), root.path().join("alias")).unwrap();
        assert!(resolve(root.path(), "real").is_ok());
        assert!(resolve(root.path(), "alias").is_ok());
        assert!(matches!(resolve(root.path(), "out"), Err(BackendError::ModelNotFound { .. })));
    }

    #[test]
    fn module_paths_stay_inside() {
        assert_eq!(join_inside("", "1_Pooling").as_deref(), Some("1_Pooling"));
        assert_eq!(join_inside("0_Transformer", "config.json").as_deref(), Some("0_Transformer/config.json"));
        assert_eq!(join_inside("", "").as_deref(), Some(""));
        assert_eq!(join_inside("", "../secret"), None);
        assert_eq!(join_inside("", "/etc"), None);
    }
}
