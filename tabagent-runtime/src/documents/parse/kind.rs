//! What a document is: by the media type that was declared, by the name of its file, by its first bytes.

use encoding_rs::{Encoding, UTF_8};

use crate::error::{BackendError, Result};

/// What is read here.
const KINDS: &str = "text/plain, text/markdown, text/html and application/pdf";

/// A media type that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MediaType {
    /// Plain text, or source, which is read as such; its name as it was declared.
    Text {
        name: String,
        charset: Option<String>,
    },
    Markdown {
        charset: Option<String>,
    },
    Html {
        charset: Option<String>,
    },
    Pdf,
}

impl MediaType {
    /// Finds it. A declared one that says nothing (`application/octet-stream`) is passed over.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where it is none that is read here.
    pub(crate) fn of(declared: Option<&str>, file: Option<&str>, content: &[u8]) -> Result<Self> {
        if let Some(declared) = declared {
            let (name, charset) = parts(declared);
            match name.as_str() {
                "" | "application/octet-stream" | "binary/octet-stream" => {}
                // Browsers and tools know no type for Markdown, and send this one for it.
                "text/plain" if file.and_then(by_extension) == Some("text/markdown") => {
                    return Ok(Self::Markdown { charset });
                }
                _ => {
                    return Self::named(&name, charset).ok_or_else(|| {
                        let reason = format!("`{name}` is not read here; send {KINDS}");
                        BackendError::invalid("media_type", reason)
                    });
                }
            }
        }
        if let Some(found) = file.and_then(by_extension).and_then(|name| Self::named(name, None)) {
            return Ok(found);
        }
        Ok(by_content(content))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Text { name, .. } => name,
            Self::Markdown { .. } => "text/markdown",
            Self::Html { .. } => "text/html",
            Self::Pdf => "application/pdf",
        }
    }

    fn named(name: &str, charset: Option<String>) -> Option<Self> {
        Some(match name {
            "application/pdf" | "application/x-pdf" => Self::Pdf,
            "text/markdown" | "text/x-markdown" => Self::Markdown { charset },
            "text/html" | "application/xhtml+xml" => Self::Html { charset },
            "application/json"
            | "application/toml"
            | "application/yaml"
            | "application/x-yaml"
            | "application/javascript" => Self::Text { name: name.to_owned(), charset },
            // Text is text: source code, tables, logs.
            name if name.starts_with("text/") => Self::Text { name: name.to_owned(), charset },
            _ => return None,
        })
    }
}

/// The name in lower case, and the parameter `charset`.
fn parts(declared: &str) -> (String, Option<String>) {
    let mut parts = declared.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default().to_ascii_lowercase();
    let charset = parts.find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    });
    (name, charset)
}

fn by_extension(file: &str) -> Option<&'static str> {
    let (_, extension) = file.rsplit_once('.')?;
    Some(match extension.to_ascii_lowercase().as_str() {
        "md" | "markdown" | "mdown" | "mkd" => "text/markdown",
        "html" | "htm" | "xhtml" => "text/html",
        "pdf" => "application/pdf",
        "txt" | "text" | "log" | "rst" | "adoc" | "csv" | "tsv" => "text/plain",
        _ => return None,
    })
}

fn by_content(content: &[u8]) -> MediaType {
    // A PDF may have anything in its first kilobyte, as readers take it.
    let head = content.get(..1024).unwrap_or(content);
    if memchr::memmem::find(head, b"%PDF-").is_some() {
        return MediaType::Pdf;
    }
    let begin: Vec<u8> = head.trim_ascii_start().iter().take(15).map(u8::to_ascii_lowercase).collect();
    if begin.starts_with(b"<!doctype html") || begin.starts_with(b"<html") {
        return MediaType::Html { charset: None };
    }
    MediaType::Text { name: "text/plain".to_owned(), charset: None }
}

/// Whether a file is of a kind that is read: by its name, else by its first bytes. It may still be damaged.
pub fn is_read(file: &str, head: &[u8]) -> bool {
    if by_extension(file).is_some() || by_content(head) == MediaType::Pdf {
        return true;
    }
    // A character may be cut at the end.
    let is_text = std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true);
    is_text && !head.contains(&0)
}

/// The text of bytes: by their byte order mark, else by the character set that was declared, else UTF-8.
///
/// # Errors
/// [`BackendError::InvalidInput`] where they are none in it, or the character set is not known.
pub(crate) fn decoded(field: &str, content: &[u8], charset: Option<&str>) -> Result<String> {
    let encoding = match charset {
        None => UTF_8,
        Some(label) => Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            BackendError::invalid("media_type", format!("the character set `{label}` is not known"))
        })?,
    };
    let (text, used, damaged) = encoding.decode(content);
    if damaged {
        let name = used.name();
        let reason = format!(
            "is not text in {name}; send it in UTF-8, or name its character set: `text/plain; charset=...`"
        );
        return Err(BackendError::invalid(field, reason));
    }
    if text.bytes().take(4096).filter(|byte| *byte == 0).count() > 1 {
        return Err(BackendError::invalid(field, format!("is no text, and no PDF either; send {KINDS}")));
    }
    Ok(text.into_owned())
}
