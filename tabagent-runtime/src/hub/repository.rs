//! What the hub says of a repository: its commit, its files, their sizes and checksums.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::{
    checksum::Checksum,
    client::{Client, Failure},
    reference::Reference,
};
use crate::error::BackendError;

/// Files of one repository that are taken in.
const MAX_FILES: usize = 20_000;
/// Longest path of a file.
const MAX_PATH: usize = 400;
/// What stands in an address as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A repository at one commit.
#[derive(Debug, Clone)]
pub(crate) struct Repository {
    /// The commit that the revision means now.
    pub(crate) commit: String,
    pub(crate) files: Vec<RemoteFile>,
}

/// One of its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RemoteFile {
    /// Path in the repository, checked: no part of it leads elsewhere.
    pub(crate) path: String,
    pub(crate) size: u64,
    /// What the hub states about its content.
    pub(crate) checksum: Option<Checksum>,
}

#[derive(Deserialize)]
struct Info {
    sha: String,
    #[serde(default)]
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    #[serde(rename = "blobId")]
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: Option<String>,
    size: Option<u64>,
}

/// Asks the hub for a repository.
pub(crate) fn ask(client: &Client, reference: &Reference) -> Result<Repository, Failure> {
    let url = format!(
        "{}/api/models/{}/revision/{}?blobs=true",
        client.endpoint(),
        reference.repository(),
        utf8_percent_encode(reference.revision(), SEGMENT)
    );
    let text = client.text(&url).map_err(|failure| match failure {
        Failure::Final(BackendError::ModelNotFound { .. }) => {
            Failure::Final(BackendError::ModelNotFound { model: reference.repository().to_owned() })
        }
        other => other,
    })?;
    read(&text).map_err(|reason| {
        Failure::Final(BackendError::configuration(
            "hub-endpoint",
            format!("{url} is answered with what cannot be used: {reason}"),
        ))
    })
}

fn read(text: &str) -> Result<Repository, String> {
    let info: Info = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if Checksum::git_blob(&info.sha).is_none() {
        return Err("`sha` is no commit".to_owned());
    }
    if info.siblings.len() > MAX_FILES {
        return Err(format!("{} files, at most {MAX_FILES} are taken", info.siblings.len()));
    }
    let mut files = Vec::with_capacity(info.siblings.len());
    for sibling in info.siblings {
        check_path(&sibling.rfilename)?;
        let lfs = sibling.lfs.as_ref();
        let stated = lfs.and_then(|lfs| lfs.sha256.as_deref()).and_then(Checksum::sha256);
        let checksum = match lfs {
            // The blob of a file in LFS is its pointer, not its content.
            Some(_) => stated,
            None => sibling.blob_id.as_deref().and_then(Checksum::git_blob),
        };
        let size = lfs.and_then(|lfs| lfs.size).or(sibling.size);
        let size = size.ok_or_else(|| format!("the size of `{}` is missing", sibling.rfilename))?;
        files.push(RemoteFile { path: sibling.rfilename, size, checksum });
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Repository { commit: info.sha, files })
}

/// Refuses paths that would lead out of the model's folder on any system, whatever file they name: a repository that has one
/// is not honest.
fn check_path(path: &str) -> Result<(), String> {
    let shown: String = path.chars().filter(|c| !c.is_control()).take(MAX_PATH).collect();
    let wrong = |reason: &str| Err(format!("the file name `{shown}` {reason}"));
    if path.len() > MAX_PATH {
        return wrong("is too long");
    }
    if path.starts_with('/') {
        return wrong("is an absolute path");
    }
    if path.contains('\\') {
        return wrong("has a backslash");
    }
    if path.contains(':') {
        return wrong("has a colon, as a drive letter has");
    }
    if path.chars().any(char::is_control) {
        return wrong("has a control character");
    }
    match path.split('/').find(|part| part.is_empty() || *part == "." || *part == "..") {
        Some("..") => wrong("climbs out of the model's folder"),
        Some(_) => wrong("has an empty part"),
        None => Ok(()),
    }
}

/// The address of a file's content.
pub(crate) fn url(client: &Client, reference: &Reference, commit: &str, path: &str) -> String {
    let path: Vec<String> =
        path.split('/').map(|part| utf8_percent_encode(part, SEGMENT).to_string()).collect();
    format!("{}/{}/resolve/{commit}/{}", client.endpoint(), reference.repository(), path.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_lead_elsewhere_are_refused_by_name() {
        for path in ["config.json", "onnx/model.onnx", "a b/ü.json", "..json", "a/...b"] {
            assert!(check_path(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "../x",
            "a/../../x",
            "/etc/passwd",
            "a//b",
            "./a",
            "a/.",
            "..\\x",
            "C:/x",
            "c:x",
            "a\0b",
            "a/",
            "\n",
        ] {
            let reason = check_path(path).unwrap_err();
            assert!(reason.starts_with("the file name `"), "{reason}");
        }
    }

    #[test]
    fn checksums_are_those_of_the_content() {
        let commit = "0123456789012345678901234567890123456789";
        let sha = "a".repeat(64);
        let text = format!(
            r#"{{"id": "o/n", "sha": "{commit}", "siblings": [
                {{"rfilename": "model.onnx", "size": 7, "blobId": "{commit}", "lfs": {{"sha256": "{sha}", "size": 7, "pointerSize": 130}}}},
                {{"rfilename": "config.json", "size": 2, "blobId": "{commit}"}}, {{"rfilename": "x", "size": 2}}]}}"#
        );
        let repository = read(&text).unwrap();
        let kinds: Vec<_> = repository.files.iter().map(|file| file.checksum.clone()).collect();
        assert_eq!(kinds, [Checksum::git_blob(commit), Checksum::sha256(&sha), None]);
        assert!(read(r#"{"sha": "main"}"#).is_err());
        assert!(read(&text.replace("config.json", "../config.json")).unwrap_err().contains("climbs out"));
    }
}
