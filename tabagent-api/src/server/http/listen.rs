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

/// Why there is no listener.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process listens there.
    #[error("port {} on {} is in use by another program; choose another with --port, or --port 0 for a free one", .0.port(), .0.ip())]
    InUse(SocketAddr),
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
        if error.kind() == io::ErrorKind::AddrInUse {
            Self::InUse(address)
        } else {
            Self::Unusable { address, error }
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off when the grace was over.
    pub cut_off: usize,
}

impl Server {
    /// A server of this router.
    pub fn new(router: Router, limits: ConnectionLimits, open: OpenConnections) -> Self {
        Self { router, limits, open }
    }

    /// Accepts connections until `stop` is ready; then accepts none, closes idle ones, and gives those with a request
    /// under way until `grace` is over.
    pub async fn run(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
        grace: Duration,
    ) -> Drained {
        let (drain, draining) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
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
                        tracing::error!(%error, "a connection cannot be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
        drop(listener);
        drain.send_replace(true);
        let drained = async {
            while let Some(ended) = tasks.join_next().await {
                log_end(ended);
            }
        };
        if tokio::time::timeout(grace, drained).await.is_ok() {
            return Drained { cut_off: 0 };
        }
        let cut_off = tasks.len();
        // Dropping a connection drops its handlers, which cancels their work.
        tasks.shutdown().await;
        Drained { cut_off }
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
