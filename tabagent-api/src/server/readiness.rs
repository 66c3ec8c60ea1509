//! Whether the server takes work: what `/ready` and `/health` report.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// The stage of the server's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It is not yet listening.
    Starting,
    /// It takes requests.
    Ready,
    /// It was told to stop: what has begun is finished, nothing new should be sent.
    Draining,
}

const STAGES: [Stage; 3] = [Stage::Starting, Stage::Ready, Stage::Draining];

/// The stage, shared by the server that changes it and the routes that report it.
#[derive(Debug, Clone)]
pub struct Readiness {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    stage: AtomicU8,
    since: Instant,
    started_at: SystemTime,
}

impl Readiness {
    /// A server that is starting now.
    pub fn starting() -> Self {
        let inner = Inner { stage: AtomicU8::new(0), since: Instant::now(), started_at: SystemTime::now() };
        Self { inner: Arc::new(inner) }
    }

    /// A server that is ready, for a router that is called without a listener.
    pub fn ready() -> Self {
        let readiness = Self::starting();
        readiness.set_ready();
        readiness
    }

    /// The stage.
    pub fn stage(&self) -> Stage {
        STAGES.get(usize::from(self.inner.stage.load(Ordering::Acquire))).copied().unwrap_or(Stage::Draining)
    }

    /// Whether new requests are welcome.
    pub fn is_ready(&self) -> bool {
        self.stage() == Stage::Ready
    }

    /// Whether the server was told to stop.
    pub fn is_draining(&self) -> bool {
        self.stage() == Stage::Draining
    }

    /// From now on requests are welcome, unless the server has been told to stop.
    pub fn set_ready(&self) {
        self.inner.stage.fetch_max(1, Ordering::AcqRel);
    }

    /// From now on they are not. There is no way back.
    pub fn drain(&self) {
        self.inner.stage.fetch_max(2, Ordering::AcqRel);
    }

    /// Time since the start.
    pub fn uptime(&self) -> Duration {
        self.inner.since.elapsed()
    }

    /// When the server started, by the clock on the wall.
    pub fn started_at(&self) -> SystemTime {
        self.inner.started_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_was_told_to_stop_never_becomes_ready_again() {
        let readiness = Readiness::starting();
        let route = readiness.clone();
        assert_eq!(route.stage(), Stage::Starting);
        readiness.set_ready();
        assert!(route.is_ready());
        readiness.drain();
        readiness.set_ready();
        assert_eq!(route.stage(), Stage::Draining);
    }
}
