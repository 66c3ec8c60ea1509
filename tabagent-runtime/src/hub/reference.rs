//! What is pulled: `owner/name[:variant][@revision]`.

use std::{fmt, str::FromStr};

use crate::{
    error::{BackendError, Result},
    models::id,
};

/// Longest name of an owner or of a repository, as the hub allows it.
const MAX_NAME: usize = 96;
/// Longest variant or revision.
const MAX_PART: usize = 200;
/// The revision that is meant where none is named.
const MAIN: &str = "main";

/// A repository of the hub, and which of its files and versions are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    repository: String,
    variant: Option<String>,
    revision: Option<String>,
}

impl Reference {
    /// A reference from its parts. `variant` and `revision` may also stand in `text`, but not in both places.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] of the field that is wrong: `model`, `variant` or `revision`.
    pub fn new(text: &str, variant: Option<&str>, revision: Option<&str>) -> Result<Self> {
        let (rest, own_revision) = match text.split_once('@') {
            Some((rest, revision)) => (rest, Some(revision)),
            None => (text, None),
        };
        let (repository, own_variant) = match rest.split_once(':') {
            Some((repository, variant)) => (repository, Some(variant)),
            None => (rest, None),
        };
        let wrong = |reason: &str| {
            let shown: String = text.chars().filter(|c| !c.is_control()).take(MAX_PART).collect();
            BackendError::invalid(
                "model",
                format!("`{shown}` is no `owner/name[:variant][@revision]`: {reason}"),
            )
        };
        let names: Vec<&str> = repository.split('/').collect();
        let [owner, name] = names[..] else {
            return Err(wrong("a repository has an owner and a name, with one slash between them"));
        };
        for part in [owner, name] {
            if part.is_empty() || part.len() > MAX_NAME {
                return Err(wrong("the owner and the name have 1 to 96 characters each"));
            }
            let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
            if !plain || part.starts_with(['-', '.']) || part.ends_with(['-', '.']) {
                return Err(wrong(
                    "the owner and the name have letters, digits, `-`, `_` and `.`, and begin and end with neither `-` nor `.`",
                ));
            }
            if part.contains("--") || part.contains("..") {
                return Err(wrong("neither `--` nor `..` may stand in it"));
            }
        }
        id::check(repository).map_err(|_| wrong("it cannot be the name of a folder"))?;
        let one = |field: &str, own: Option<&str>, given: Option<&str>| match (own, given) {
            (Some(_), Some(_)) => {
                Err(BackendError::invalid(field, "is named here and in `model`; name it once"))
            }
            (own, given) => own.or(given).map(|part| checked(field, part)).transpose(),
        };
        let variant = one("variant", own_variant, variant)?;
        let revision = one("revision", own_revision, revision)?;
        Ok(Self { repository: repository.to_owned(), variant, revision })
    }

    /// `owner/name`, which is also the id of the model in the models folder.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The variant, where one is named.
    pub fn variant(&self) -> Option<&str> {
        self.variant.as_deref()
    }

    /// The branch, tag or commit.
    pub fn revision(&self) -> &str {
        self.revision.as_deref().unwrap_or(MAIN)
    }
}

/// A variant or a revision, which become parts of addresses.
fn checked(field: &str, part: &str) -> Result<String> {
    let plain = part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./+".contains(&byte));
    let climbs = part.split('/').any(|name| name.is_empty() || name.chars().all(|c| c == '.'));
    if part.len() > MAX_PART || !plain || climbs {
        let reason = "has letters, digits, `-`, `_`, `.`, `+`, and single slashes between them, 200 characters at most";
        return Err(BackendError::invalid(field, reason));
    }
    Ok(part.to_owned())
}

impl FromStr for Reference {
    type Err = BackendError;

    fn from_str(text: &str) -> Result<Self> {
        Self::new(text, None, None)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repository)?;
        if let Some(variant) = &self.variant {
            write!(f, ":{variant}")?;
        }
        if let Some(revision) = &self.revision {
            write!(f, "@{revision}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_parts_are_read_and_written_again() {
        for (text, repository, variant, revision) in [
            ("owner/name", "owner/name", None, "main"),
            ("BAAI/bge-small-en-v1.5", "BAAI/bge-small-en-v1.5", None, "main"),
            ("o/n:model_q4", "o/n", Some("model_q4"), "main"),
            ("o/n@refs/pr/1", "o/n", None, "refs/pr/1"),
            ("o/n:cpu/int4-rtn@v1.0", "o/n", Some("cpu/int4-rtn"), "v1.0"),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.repository(), repository);
            assert_eq!(reference.variant(), variant);
            assert_eq!(reference.revision(), revision);
            assert_eq!(reference.to_string(), text);
        }
    }

    #[test]
    fn what_names_no_repository_is_refused() {
        for text in [
            "",
            "name",
            "a/b/c",
            "/name",
            "owner/",
            "../etc",
            "a/..",
            "a/.hidden",
            "-a/b",
            "a/b-",
            "a--b/c",
            "a/b..c",
            "a\\b/c",
            "a/b c",
            "a/b\n",
            "https://huggingface.co/a/b",
            "a/b?x",
            "a/b%2f",
            "a/ü",
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(
                matches!(&error, BackendError::InvalidInput { field, .. } if field == "model"),
                "{text}: {error}"
            );
        }
        for (text, wrong) in
            [("a/b:", "variant"), ("a/b:x/../y", "variant"), ("a/b@", "revision"), ("a/b@x y", "revision")]
        {
            let error = text.parse::<Reference>().unwrap_err();
            assert!(
                matches!(&error, BackendError::InvalidInput { field, .. } if field == wrong),
                "{text}: {error}"
            );
        }
        assert!(Reference::new("a/b:x", Some("y"), None).is_err());
        assert_eq!(Reference::new("a/b:x", None, Some("v1")).unwrap().to_string(), "a/b:x@v1");
    }
}
