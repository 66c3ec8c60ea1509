//! The listener: accepts connections up to a limit, and stops in an orderly way.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};

use super::connection::{self, ConnectionLimits, OpenConnections};

/// Connections that the operating system holds until they are accepted.
const BACKLOG: u32 = 1024;
/// Pause after an accept that failed for want of resources.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Time in which requests that were cancelled can still be answered.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("port {} on {} is in use by another program; choose another with --port, or --port 0 for a free one", .0.port(), .0.ip())]
    InUse(SocketAddr),
    /// The port is one of those that only a privileged process may take.
    #[error("port {} is kept for privileged programs; choose one above 1023 with --port", .0.port())]
    Privileged(SocketAddr),
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {error}; --host takes an address of this machine")]
    Unusable {
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        error: io::Error,
    },
}

impl BindError {
    fn of(address: SocketAddr, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse(address),
            io::ErrorKind::PermissionDenied => Self::Privileged(address),
            _ => Self::Unusable { address, error },
        }
    }
}

/// A port that is taken and does not yet answer, so that nobody waits on it while the runtime starts.
#[derive(Debug)]
pub struct BoundPort {
    socket: TcpSocket,
    address: SocketAddr,
}

impl BoundPort {
    /// Takes a port.
    ///
    /// # Errors
    /// When another process has it, or the address is not of this machine.
    pub fn take(address: SocketAddr) -> Result<Self, BindError> {
        let bind = || {
            let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
            // On Unix this frees a port from connections that linger after a restart; on Windows it would share the port.
            #[cfg(unix)]
            socket.set_reuseaddr(true)?;
            socket.bind(address)?;
            Ok(socket)
        };
        match bind() {
            Ok(socket) => Ok(Self { socket, address }),
            Err(error) => Err(BindError::of(address, error)),
        }
    }

    /// Begins to listen.
    ///
    /// # Errors
    /// When another process took the same port and listened first.
    pub fn listen(self) -> Result<TcpListener, BindError> {
        self.socket.listen(BACKLOG).map_err(|error| BindError::of(self.address, error))
    }
}

/// Serves a router on a listener.
#[derive(Debug)]
pub struct Server {
    router: Router,
    limits: ConnectionLimits,
    open: OpenConnections,
}

/// How the connections ended after the server was told to stop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drained {
    /// Connections with a request under way when the grace was over.
    pub cancelled: usize,
    /// Those of them that were cut off without an answer.
    pub cut_off: usize,
}

impl Server {
    /// A server of this router.
    pub fn new(router: Router, limits: ConnectionLimits, open: OpenConnections) -> Self {
        Self { router, limits, open }
    }

    /// Accepts connections until `stop` is ready; then accepts none, closes idle ones, and gives those with a request
    /// under way until `grace` is over. `cancel` then ends the work of the rest, so that they are answered with a failure;
    /// a connection that has nothing to say soon after is cut off.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        grace: impl Future<Output = ()>,
        cancel: impl Future<Output = ()>,
    ) -> Drained {
        let (drain, draining) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        let mut fails = false;
        let permits = Arc::new(Semaphore::new(self.limits.connections));
        let protocol = connection::protocol(&self.limits);
        loop {
            let accepted = async {
                // The semaphore is never closed; were it, nothing more would be accepted.
                let Ok(permit) = Arc::clone(&permits).acquire_owned().await else {
                    return std::future::pending().await;
                };
                (listener.accept().await, permit)
            };
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = tasks.join_next() => log_end(ended),
                (accepted, permit) = accepted => match accepted {
                    Ok((stream, _)) => {
                        fails = false;
                        let open = self.open.open();
                        let (router, protocol) = (self.router.clone(), protocol.clone());
                        let (limits, draining) = (self.limits, draining.clone());
                        tasks.spawn(async move {
                            connection::serve(stream, router, protocol, limits, draining).await;
                            drop((open, permit));
                        });
                    }
                    Err(error) if of_the_client(&error) => tracing::debug!(%error, "a client left before it was accepted"),
                    Err(error) => {
                        // Said once, until one is accepted: it may go on for long.
                        if !std::mem::replace(&mut fails, true) {
                            tracing::error!(%error, "connections cannot be accepted; it is tried again and again");
                        }
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(listener);
        drain.send_replace(true);
        tokio::select! {
            () = all_ended(&mut tasks) => return Drained::default(),
            () = grace => {}
        }
        let cancelled = tasks.len();
        let answered = tokio::time::timeout(LAST_ANSWERS, all_ended(&mut tasks));
        let ((), _) = tokio::join!(cancel, answered);
        // Those that ended while the work was cancelled are done, though nobody has looked at them.
        while let Some(ended) = tasks.try_join_next() {
            log_end(ended);
        }
        let cut_off = tasks.len();
        // Dropping a connection drops its handlers, which cancels their work.
        tasks.shutdown().await;
        Drained { cancelled, cut_off }
    }
}

/// Waits for all connections to end.
async fn all_ended(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        log_end(ended);
    }
}

/// Errors of accept that concern one client, who is gone.
fn of_the_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

fn log_end(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection failed");
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, SocketAddr};

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;
    use tokio::sync::{Notify, oneshot};

    use super::*;

    const LOOPBACK: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
    const LIMITS: ConnectionLimits =
        ConnectionLimits { idle: Duration::from_secs(60), write: Duration::from_secs(60), connections: 8 };

    async fn ask(address: SocketAddr, path: &str) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes()).await.unwrap();
        stream
    }

    async fn rest(mut stream: TcpStream) -> String {
        let mut text = Vec::new();
        // A connection that was cut off may end with a reset, after what was sent before.
        let _ = stream.read_to_end(&mut text).await;
        String::from_utf8(text).unwrap()
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named() {
        let first = BoundPort::take(LOOPBACK).unwrap().listen().unwrap();
        let address = first.local_addr().unwrap();
        let error = BoundPort::take(address).unwrap_err().to_string();
        assert!(error.contains(&format!("port {} on 127.0.0.1 is in use", address.port())), "{error}");
        assert!(error.contains("--port 0"), "{error}");
    }

    #[tokio::test]
    async fn a_stop_finishes_what_ends_in_time_and_cancels_the_rest() {
        let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (entered, released) = (Arc::clone(&begun), Arc::clone(&go));
        let slow = async move || {
            entered.notify_one();
            released.notified().await;
            "finished"
        };
        let entered = Arc::clone(&begun);
        let endless = async move || {
            entered.notify_one();
            std::future::pending::<()>().await;
        };
        let (cancel, entered) = (Arc::new(Notify::new()), Arc::clone(&begun));
        let cancelled = Arc::clone(&cancel);
        let long = async move || {
            entered.notify_one();
            cancelled.notified().await;
            "cancelled"
        };
        let router = Router::new()
            .route("/quick", get("quick"))
            .route("/slow", get(slow))
            .route("/long", get(long))
            .route("/endless", get(endless));
        let listener = BoundPort::take(LOOPBACK).unwrap().listen().unwrap();
        let address = listener.local_addr().unwrap();
        let open = OpenConnections::default();
        let (stop, stopped) = oneshot::channel::<()>();
        let server = Server::new(router, LIMITS, open.clone());
        let stopped = async move { drop(stopped.await) };
        let (over, grace) = oneshot::channel::<()>();
        let grace = async move { drop(grace.await) };
        let server = tokio::spawn(server.run(listener, stopped, grace, async move { cancel.notify_one() }));

        let mut idle = ask(address, "/quick").await;
        let mut head = [0; 15];
        idle.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");
        let slow = ask(address, "/slow").await;
        begun.notified().await;
        let long = ask(address, "/long").await;
        begun.notified().await;
        let endless = ask(address, "/endless").await;
        begun.notified().await;
        assert_eq!(open.count(), 4);

        stop.send(()).unwrap();
        assert!(rest(idle).await.ends_with("quick"), "an idle connection is closed");
        assert!(TcpStream::connect(address).await.is_err(), "no connection is accepted any more");
        go.notify_one();
        assert!(rest(slow).await.ends_with("finished"));
        over.send(()).unwrap();
        assert!(rest(long).await.ends_with("cancelled"), "what is cancelled is answered");
        assert_eq!(rest(endless).await, "");
        assert_eq!(server.await.unwrap(), Drained { cancelled: 2, cut_off: 1 });
        assert_eq!(open.count(), 0);
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_waits_until_another_ends() {
        let listener = BoundPort::take(LOOPBACK).unwrap().listen().unwrap();
        let address = listener.local_addr().unwrap();
        let open = OpenConnections::default();
        let limits = ConnectionLimits { connections: 1, ..LIMITS };
        let server = Server::new(Router::new().route("/", get("served")), limits, open.clone());
        let never = std::future::pending;
        let server = tokio::spawn(server.run(listener, never(), never(), never()));
        let mut first = ask(address, "/").await;
        first.read_exact(&mut [0; 15]).await.unwrap();
        let mut second = ask(address, "/").await;
        let mut head = [0; 15];
        let early = tokio::time::timeout(Duration::from_millis(100), second.read_exact(&mut head)).await;
        assert!(early.is_err(), "the second is served while the first is open");
        drop(first);
        second.read_exact(&mut head).await.unwrap();
        assert_eq!((&head, open.count()), (b"HTTP/1.1 200 OK", 1));
        server.abort();
    }
}
