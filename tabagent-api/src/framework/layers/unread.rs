//! Bodies that nobody read: a response may be ready, a refusal mostly, before the request has wholly arrived.
//!
//! A connection can only be used again once the body is out of the way, and a socket that is closed over bytes it has
//! not read is reset, which may take the response with it. So the rest is read and thrown away, as long as it is short;
//! where it is not, the response says that the connection ends, lest the client send its next request there (RFC 9112,
//! section 9.6).

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::Response;
use bytes::Bytes;
use http::{HeaderValue, Version, header};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt as _;

/// Most bytes that are thrown away.
const REST_BYTES: u64 = 1 << 20;
/// Longest wait for them. They are mostly on their way: clients send head and body in one go.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads what the handler and the layers in front of it left unread.
pub(super) async fn unread(mut request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let version = request.version();
    // This client sends the body only when it is told to go on, which reading it would do (RFC 9110, section 10.1.1).
    let waits = request.headers().contains_key(header::EXPECT);
    let rest = Rest::default();
    let body = std::mem::take(request.body_mut());
    *request.body_mut() = Body::new(Watched { body, rest: rest.clone(), read: false, ended: false });
    let mut response = next.run(request).await;
    let is_free = match rest.take() {
        None => true,
        Some(Remainder { read: false, .. }) if waits => false,
        Some(Remainder { body, .. }) => discard(body).await,
    };
    if !is_free && version == Version::HTTP_11 {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Reads a body to its end and tells whether it came to it.
async fn discard(mut body: Body) -> bool {
    if body.size_hint().lower() > REST_BYTES {
        return false;
    }
    let to_end = async {
        let mut read = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            read += frame.data_ref().map_or(0, |data| data.len() as u64);
            if read > REST_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(PATIENCE, to_end).await.unwrap_or(false)
}

/// A body that was dropped before its end.
struct Remainder {
    body: Body,
    /// Whether anybody began to read it.
    read: bool,
}

/// Where a body goes that is dropped before its end.
#[derive(Clone, Default)]
struct Rest(Arc<Mutex<Option<Remainder>>>);

impl Rest {
    fn take(&self) -> Option<Remainder> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn put(&self, remainder: Remainder) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(remainder);
    }
}

/// A body that goes to its [`Rest`] when it is dropped too early.
struct Watched {
    body: Body,
    rest: Rest,
    read: bool,
    ended: bool,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        self.read = true;
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        // After an error there is nothing to read either.
        self.ended |= matches!(polled, Poll::Ready(None | Some(Err(_))));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if !self.ended && !self.body.is_end_stream() {
            self.rest.put(Remainder { body: std::mem::take(&mut self.body), read: self.read });
        }
    }
}
