//! Refusals that HTTP's own parser writes, said as problems.
//!
//! A head that is no HTTP, or is far over every limit, is refused by hyper before any layer of the framework sees it, with
//! a bare status. There is no hook for it, so the stream looks at what is written: a whole head without body and without
//! the request id that every response of the framework carries is such a refusal. To a client that opens with HTTP/2, or
//! stops in the middle of a head, hyper says nothing at all; [`of_http_2`] and [`of_stalled_head`] are what it is told
//! instead.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;

use crate::framework::ApiError;
use crate::framework::layers::edge::REQUEST_ID;
use crate::framework::problem::ProblemReport;

/// What to write in the place of these bytes, where they are a refusal of the parser.
pub(super) fn replacement(written: &[u8]) -> Option<Bytes> {
    let status = bare_refusal(written)?;
    let reason = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            "its head, or the length that it states, is larger than any that is read"
        }
        StatusCode::URI_TOO_LONG => "its URI is longer than any that is read",
        _ => "its head breaks the rules of HTTP/1.1",
    };
    refusal(status, reason)
}

/// The answer, in HTTP/1.1, to the preface of HTTP/2.
pub(super) fn of_http_2() -> Option<Bytes> {
    let reason = "it is HTTP/2, and this server speaks HTTP/1.1: open the connection with that";
    refusal(StatusCode::HTTP_VERSION_NOT_SUPPORTED, reason)
}

/// The answer to a head that did not arrive whole in this time.
pub(super) fn of_stalled_head(patience: Duration) -> Option<Bytes> {
    let reason = format!("its head did not arrive within {} seconds", patience.as_secs_f64());
    refusal(StatusCode::REQUEST_TIMEOUT, &reason)
}

/// A whole response, after which the connection is closed.
fn refusal(status: StatusCode, reason: &str) -> Option<Bytes> {
    let mut report = ProblemReport::of(&ApiError::Refused { reason: reason.to_owned() });
    report.kind.status = status.as_u16();
    let id = format!("req_{}", uuid::Uuid::now_v7().simple());
    let body = serde_json::to_vec(&report.body(&id)).ok()?;
    tracing::info!(request_id = id, status = status.as_u16(), reason, "refused a head");
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/problem+json\r\n{REQUEST_ID}: {id}\r\ncontent-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len()
    );
    Some([head.as_bytes(), &body].concat().into())
}

/// The status of a response that hyper made by itself.
fn bare_refusal(written: &[u8]) -> Option<StatusCode> {
    let text = written.strip_prefix(b"HTTP/1.1 4").and_then(|_| std::str::from_utf8(written).ok())?;
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?;
    let has = |name: &str, value: Option<&str>| {
        head.split("\r\n").skip(1).filter_map(|line| line.split_once(": ")).any(|(given, given_value)| {
            given.eq_ignore_ascii_case(name) && value.is_none_or(|value| value == given_value)
        })
    };
    let bare = body.is_empty() && has("content-length", Some("0")) && !has(REQUEST_ID, None);
    bare.then(|| status.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bare_refusal_is_replaced() {
        let refusal =
            b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\ndate: x\r\n\r\n";
        let text = String::from_utf8(replacement(refusal).unwrap().to_vec()).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{head}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
        let body: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["status"], 400);
        assert!(head.contains(body["request_id"].as_str().unwrap()));

        let ours = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nx-request-id: a\r\n\r\n";
        let with_body = b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        for other in
            [&ours[..], with_body, b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 4", b""]
        {
            assert_eq!(replacement(other), None);
        }
    }
}
