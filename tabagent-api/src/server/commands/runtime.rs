//! `tabagent runtime`: ONNX Runtime on this machine, without a server.

use std::process::ExitCode;

use tabagent_runtime::library::{self, CandidateState, Flavour, LibraryOptions, Status, progress};

use crate::server::cli::CommandError;
use crate::server::output::{self, note};

/// Shows every place where the library is looked for.
pub(in crate::server) fn status(json: bool) -> Result<ExitCode, CommandError> {
    let status = library::status(&LibraryOptions::default());
    let written = if json { output::print_json(&status) } else { output::print(&text(&status)) };
    written.map_err(CommandError::system("the status cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

fn text(status: &Status) -> String {
    let rows: Vec<[String; 3]> = candidate_rows(status);
    let mut text = if rows.is_empty() { "no candidate was found\n".to_owned() } else { output::table(&rows) };
    text.push_str(&format!("installs go to {}\n", status.cache_dir.display()));
    text
}

/// Place, state and path of each candidate, in the order of the search.
pub(super) fn candidate_rows(status: &Status) -> Vec<[String; 3]> {
    let mut used = false;
    status
        .candidates
        .iter()
        .map(|candidate| {
            let place = match (candidate.flavour, candidate.way) {
                (Some(flavour), Some(way)) => format!("{} ({flavour}, by {way})", candidate.origin),
                _ => candidate.origin.to_string(),
            };
            let state = match &candidate.state {
                CandidateState::Usable { version } if used => format!("{version}, not needed"),
                CandidateState::Usable { version } => {
                    used = true;
                    format!("{version}, in use")
                }
                CandidateState::Refused { reason } => format!("refused: it {reason}"),
                CandidateState::NotInstalled => "not installed".to_owned(),
            };
            [place, state, candidate.path.display().to_string()]
        })
        .collect()
}

/// Installs a build, with progress on stderr.
pub(in crate::server) fn install(build: &str) -> Result<ExitCode, CommandError> {
    let flavour: Flavour = build.parse()?;
    let options = LibraryOptions { progress: progress::on_stderr(), ..LibraryOptions::default() };
    let library = library::install(flavour, &options)?;
    note(&format!("ONNX Runtime {} ({flavour}) is installed: {}", library.version, library.origin));
    print_path(&library)
}

/// Prints the path of the library that a server would use; installs nothing.
pub(in crate::server) fn path() -> Result<ExitCode, CommandError> {
    let options = LibraryOptions { install: false, ..LibraryOptions::default() };
    match library::locate(&options) {
        Err(_) if options.path.is_none() => Err(CommandError::Other(
            "ONNX Runtime is not here; `tabagent runtime install` installs it, and `tabagent runtime` shows where it is \
             looked for"
                .to_owned(),
        )),
        found => print_path(&found?),
    }
}

fn print_path(library: &library::Library) -> Result<ExitCode, CommandError> {
    output::print(&format!("{}\n", library.path.display()))
        .map_err(CommandError::system("the path cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}
