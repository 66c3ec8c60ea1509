//! The recorder: responses of successful cases, kept as the document's examples or compared with them.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use http::header;
use serde_json::Value;

use crate::framework::MountedApp;
use crate::framework::case::{CaseResponse, TestCase};
use crate::framework::openapi::Examples;
use crate::framework::record::RouteMetadata;

/// Names the file to record into.
const VARIABLE: &str = "TABAGENT_EXAMPLES";

/// Records, where a file is named; compares, where the app shows examples.
pub(super) struct Recorder {
    file: Option<PathBuf>,
    shown: Examples,
    seen: Mutex<Examples>,
}

impl Recorder {
    pub(super) fn of(app: &MountedApp) -> Self {
        let file = std::env::var_os(VARIABLE).map(PathBuf::from);
        Self { file, shown: app.examples.clone(), seen: Mutex::default() }
    }

    /// Takes the response of a case that succeeded.
    pub(super) fn see(
        &self,
        route: &RouteMetadata,
        case: &TestCase,
        response: &CaseResponse,
    ) -> Result<(), String> {
        let json = response.headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
        let Some(body) = json.then(|| serde_json::from_slice::<Value>(&response.body).ok()).flatten() else {
            return Ok(());
        };
        if self.file.is_some() {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.record(route.operation_id, case.name, &body);
            return Ok(());
        }
        if self.shown == Examples::default() || self.shown.holds(route.operation_id, case.name, &body) {
            return Ok(());
        }
        Err(format!(
            "the document's example for this case is out of date; set {VARIABLE} to its file and run again"
        ))
    }

    /// Writes the file.
    pub(super) fn finish(&self) -> Result<(), String> {
        let Some(file) = &self.file else { return Ok(()) };
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::write(file, seen.to_text())
            .map_err(|error| format!("{} cannot be written: {error}", file.display()))
    }
}
