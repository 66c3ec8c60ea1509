//! One request for a range of a file, on a thread that waits for the network so that nobody else has to.

use std::{
    io::Read,
    sync::mpsc::{Receiver, sync_channel},
};

use super::{
    client::{Client, Failure, header},
    part::Range,
    transfer::Blob,
};
use crate::error::BackendError;

/// Bytes of one read.
const CHUNK: usize = 64 << 10;
/// What a connection may have read ahead of the disk, in reads.
const AHEAD: usize = 4;

/// What the thread of a connection tells.
pub(super) enum Message {
    Head(Head),
    /// Bytes of the body; none at its end.
    Bytes(Vec<u8>),
    Failed(Failure),
}

/// What is known once the head of a response is there.
pub(super) struct Head {
    status: u16,
    content_range: Option<String>,
    /// What the hub's own answer, before redirects, states of the content.
    etag: Option<String>,
    commit: Option<String>,
    pub(super) url: String,
}

/// Asks for a range on a thread of its own, which ends with its connection: soon after nobody listens any more.
pub(super) fn read(client: &Client, url: &str, range: Range) -> Result<Receiver<Message>, BackendError> {
    let (sender, receiver) = sync_channel(AHEAD);
    let (client, url) = (client.clone(), url.to_owned());
    let run = move || {
        let mut body = match client.open(&url, Some(range)) {
            Ok(opened) => {
                let text = |headers, name| header(headers, name).map(str::to_owned);
                let redirected = opened.url != url;
                let linked = text(&opened.first, "x-linked-etag");
                let head = Head {
                    status: opened.status,
                    content_range: text(&opened.headers, "content-range"),
                    // After a redirect `etag` is what the store of the file calls it.
                    etag: linked.or_else(|| text(&opened.first, "etag").filter(|_| !redirected)),
                    commit: text(&opened.first, "x-repo-commit"),
                    url: opened.url,
                };
                if sender.send(Message::Head(head)).is_err() {
                    return;
                }
                opened.body
            }
            Err(failure) => {
                // Nobody listens where this cannot be sent.
                let _ = sender.send(Message::Failed(failure));
                return;
            }
        };
        loop {
            let mut bytes = vec![0; CHUNK];
            let message = match body.read(&mut bytes) {
                Ok(count) => {
                    bytes.truncate(count);
                    Message::Bytes(bytes)
                }
                Err(error) => Message::Failed(Failure::temporary(format!("the connection broke: {error}"))),
            };
            let last = !matches!(&message, Message::Bytes(bytes) if !bytes.is_empty());
            if sender.send(message).is_err() || last {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("pull-read".to_owned())
        .spawn(run)
        .map_err(|error| BackendError::internal(format!("no thread for a connection: {error}")))?;
    Ok(receiver)
}

/// Whether a response has the range that was asked for, of the content that the hub listed. `own`: the hub was asked itself.
pub(super) fn check_head(blob: &Blob, range: Range, head: &Head, own: bool) -> Result<(), Failure> {
    let changed = |reason: String| {
        Failure::Final(BackendError::corrupted(
            &blob.path,
            format!("{reason}; the repository changed while it was pulled: pull it again"),
        ))
    };
    if own {
        if let Some(etag) = head.etag.as_deref().filter(|etag| blob.checksum.is_etag(etag) == Some(false)) {
            return Err(changed(format!("the hub listed {} and now states {etag}", blob.checksum)));
        }
        if let Some(commit) = head.commit.as_deref().filter(|commit| *commit != blob.commit) {
            return Err(changed(format!("the hub was asked for commit {} and has {commit}", blob.commit)));
        }
    }
    let (from, to) = range;
    match (head.status, &head.content_range) {
        (200, _) if from == 0 && to == blob.size => Ok(()),
        (206, Some(value)) => {
            let expected = format!("bytes {from}-{}/{}", to - 1, blob.size);
            let unknown = format!("bytes {from}-{}/*", to - 1);
            if *value == expected || *value == unknown {
                return Ok(());
            }
            match value.rsplit_once('/') {
                Some((_, total)) if total != blob.size.to_string() => {
                    Err(changed(format!("the hub listed {} bytes and now has {total}", blob.size)))
                }
                _ => {
                    Err(Failure::temporary(format!("`{value}` is answered where `{expected}` was asked for")))
                }
            }
        }
        _ => Err(Failure::Final(BackendError::configuration(
            "hub-endpoint",
            format!(
                "{} is answered whole where a range of it was asked for; the hub must know ranges",
                blob.url
            ),
        ))),
    }
}
