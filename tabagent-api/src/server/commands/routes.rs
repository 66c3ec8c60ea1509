//! `tabagent routes`: what is mounted, from the records.

use std::process::ExitCode;

use serde::Serialize;

use crate::framework::record::{Auth, RouteMetadata};
use crate::server::cli::CommandError;
use crate::server::config::Config;
use crate::server::{output, routes};

/// One path of one route.
#[derive(Debug, Serialize)]
struct Row {
    method: &'static str,
    path: &'static str,
    /// The path of the route, where this is another one for it.
    alias_of: Option<&'static str>,
    deprecated: bool,
    operation_id: &'static str,
    #[serde(rename = "crate")]
    crate_name: &'static str,
    source: String,
    /// `key` or `public`.
    auth: &'static str,
    cases: usize,
    summary: &'static str,
}

impl Row {
    fn of(route: &'static RouteMetadata, path: &'static str) -> Self {
        let alias = route.aliases.iter().find(|alias| alias.path == path);
        Self {
            method: route.method.as_str(),
            path,
            alias_of: alias.map(|_| route.path),
            deprecated: route.deprecated || alias.is_some_and(|alias| alias.deprecated),
            operation_id: route.operation_id,
            crate_name: route.source.crate_name(),
            source: route.source.to_string(),
            auth: match route.auth {
                Auth::Key => "key",
                Auth::Public => "public",
            },
            cases: route.cases.len(),
            summary: route.summary,
        }
    }
}

pub(in crate::server) fn run(config: &Config, json: bool) -> Result<ExitCode, CommandError> {
    let routes = routes(config).routes()?;
    let rows: Vec<Row> =
        routes.iter().flat_map(|route| route.paths().map(|path| Row::of(route, path))).collect();
    let written = if json { output::print_json(&rows) } else { output::print(&table(&rows)) };
    written.map_err(CommandError::system("the routes cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

fn table(rows: &[Row]) -> String {
    let head = ["METHOD", "PATH", "CRATE", "AUTH", "CASES", "SUMMARY"].map(str::to_owned);
    let rows = rows.iter().map(|row| {
        let summary = match (row.alias_of, row.deprecated) {
            (Some(path), true) => format!("deprecated alias of {path}"),
            (Some(path), false) => format!("alias of {path}"),
            (None, true) => format!("(deprecated) {}", row.summary),
            (None, false) => row.summary.to_owned(),
        };
        [row.method, row.path, row.crate_name, row.auth, &row.cases.to_string(), &summary].map(str::to_owned)
    });
    output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}
