//! One connection: its limits, and a stream whose writes cannot stall for ever.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use bytes::{Buf, Bytes};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep};

use super::rejection::{self, replacement};

/// Most headers that are parsed. The framework refuses far fewer, with a problem; more than this is refused unread.
const MAX_HEADERS: usize = 1024;
/// Most bytes of a request's head that are held. The framework's limits on headers and the URI are far below.
const MAX_HEAD_BYTES: usize = 256 << 10;
/// Longest wait, and most bytes, until a client that was refused outside a request closes from its side.
const FAREWELL: Duration = Duration::from_secs(1);
const FAREWELL_BYTES: u64 = 64 << 10;

/// Limits of each connection.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Time to send the head of a request, from the opening or the last response on.
    pub idle: Duration,
    /// Time in which the client must accept the next bytes of a response.
    pub write: Duration,
    /// Connections that are open at once.
    pub connections: usize,
}

/// How many connections are open now.
#[derive(Debug, Clone, Default)]
pub struct OpenConnections(Arc<AtomicUsize>);

impl OpenConnections {
    /// The number.
    pub fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Counts one more until the returned value is dropped.
    pub(super) fn open(&self) -> OpenConnection {
        self.0.fetch_add(1, Ordering::Relaxed);
        OpenConnection(Arc::clone(&self.0))
    }
}

/// A connection that is counted.
#[derive(Debug)]
pub(super) struct OpenConnection(Arc<AtomicUsize>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The settings of HTTP that all connections share.
pub(super) fn protocol(limits: &ConnectionLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .max_headers(MAX_HEADERS)
        .max_buf_size(MAX_HEAD_BYTES)
        .keep_alive(true);
    builder
}

/// Serves a connection until it ends or, once `draining` says so, until the response that is under way is sent.
pub(super) async fn serve(
    stream: TcpStream,
    router: Router,
    protocol: http1::Builder,
    limits: ConnectionLimits,
    mut draining: watch::Receiver<bool>,
) {
    // Small responses must not wait for the acknowledgement of the ones before them.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the delay of small packets stays on");
    }
    let io = TokioIo::new(PatientStream::new(stream, limits.write));
    let mut connection = protocol.serve_connection(io, TowerToHyperService::new(router));
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        () = async { drop(draining.wait_for(|draining| *draining).await) } => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await
        }
    };
    if let Err(error) = outcome {
        // Clients leave, stall and speak other protocols: worth a look when one searches, no more.
        tracing::debug!(%error, "a connection ended early");
        let parts = connection.into_parts();
        let refusal = if error.is_parse_version_h2() {
            rejection::of_http_2()
        } else if error.is_timeout() && !parts.read_buf.is_empty() {
            rejection::of_stalled_head(limits.idle)
        } else {
            None
        };
        if let Some(refusal) = refusal
            && let Err(error) = part(parts.io.into_inner(), &refusal).await
        {
            tracing::debug!(%error, "a client left before it was told");
        }
    }
}

/// Says the last words on a connection. What the client still sends is read for a while: a socket that is closed over
/// unread bytes is reset, and the words may be lost with it.
async fn part(mut stream: PatientStream, words: &[u8]) -> io::Result<()> {
    stream.write_all(words).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(FAREWELL_BYTES);
    let mut sink = tokio::io::sink();
    // Whoever does not close in time is cut off.
    let _ = tokio::time::timeout(FAREWELL, tokio::io::copy(&mut rest, &mut sink)).await;
    Ok(())
}

/// A stream that gives up a client which accepts no bytes, and says HTTP's own refusals as problems.
#[derive(Debug)]
struct PatientStream {
    stream: TcpStream,
    patience: Duration,
    /// Runs while a write waits.
    stalled: Option<Pin<Box<Sleep>>>,
    /// What goes out in the place of a refusal that hyper wrote.
    substitute: Bytes,
}

impl PatientStream {
    fn new(stream: TcpStream, patience: Duration) -> Self {
        Self { stream, patience, stalled: None, substitute: Bytes::new() }
    }

    /// Passes the outcome of a write on; one that waits too long fails.
    fn watch<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stalled = None;
            return written;
        }
        let deadline = Instant::now() + self.patience;
        let sleep = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        ready!(sleep.as_mut().poll(cx));
        let reason = "the client accepted no bytes for too long";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, reason)))
    }

    fn poll_substitute(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.substitute.has_remaining() {
            let written = Pin::new(&mut self.stream).poll_write(cx, &self.substitute);
            let count = ready!(self.watch(cx, written))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.substitute.advance(count);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for PatientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for PatientStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_substitute(cx))?;
        if let Some(substitute) = replacement(buffer) {
            self.substitute = substitute;
            return Poll::Ready(Ok(buffer.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, buffer);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_substitute(cx))?;
        if let [only] = buffers
            && let Some(substitute) = replacement(only)
        {
            self.substitute = substitute;
            return Poll::Ready(Ok(only.len()));
        }
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, buffers);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_substitute(cx))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_substitute(cx))?;
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
