//! `tabagent list`: the models that are here, and on request those that could be pulled.

use std::process::ExitCode;

use tabagent_runtime::hub::Hub;
use tabagent_runtime::registered_models;

use crate::routes::models::ModelKind as Kind;
use crate::routes::registered::{RegisteredList, RegisteredModel};
use crate::server::cli::CommandError;
use crate::server::client::Client;
use crate::server::config::Config;
use crate::server::output;

pub(in crate::server) fn run(
    config: &Config,
    url: Option<&str>,
    all: bool,
    json: bool,
) -> Result<ExitCode, CommandError> {
    let rows = match url {
        Some(url) => {
            let server = Client::instead_of_folder(url, config)?;
            let list: RegisteredList = server.known(server.get("/v1/models/registered")?)?;
            list.data
        }
        None => rows(config),
    };
    let rows: Vec<RegisteredModel> = rows.into_iter().filter(|row| all || is_here(row)).collect();
    let written = if json { output::print_json(&rows) } else { output::print(&table(&rows)) };
    written.map_err(CommandError::system("the models cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

fn rows(config: &Config) -> Vec<RegisteredModel> {
    let hub = Hub::new(config.models_dir.clone(), config.device, config.hub());
    registered_models(&hub).into_iter().map(RegisteredModel::from).collect()
}

/// Whether a model, or a part of it, is here.
fn is_here(row: &RegisteredModel) -> bool {
    row.downloaded || row.interrupted_bytes.is_some()
}

fn table(rows: &[RegisteredModel]) -> String {
    let head = ["MODEL", "KIND", "SIZE", "VARIANTS", "FROM"].map(str::to_owned);
    let rows = rows.iter().map(|row| {
        let from = match (&row.problem, &row.commit) {
            (Some(problem), _) => format!("cannot be used: {problem}"),
            (None, _) if row.embedded => "inside the program".to_owned(),
            (None, _) if let Some(bytes) = row.interrupted_bytes => {
                format!("{} of an interrupted pull; tabagent pull {}", output::bytes(bytes), row.id)
            }
            (None, _) if !row.downloaded => {
                format!("not here ({}); tabagent pull {}", row.licence.as_deref().unwrap_or_default(), row.id)
            }
            (None, Some(commit)) => format!("commit {}", commit.chars().take(12).collect::<String>()),
            (None, None) => "the models folder".to_owned(),
        };
        let kind = match row.kind {
            Kind::Embedding => "embedding",
            Kind::Rerank => "rerank",
            Kind::Chat => "chat",
            Kind::Unknown => "unknown",
        };
        [row.id.clone(), kind.to_owned(), output::bytes(row.size_bytes), row.variants.join(","), from]
    });
    output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::config::Sources;

    #[test]
    fn what_is_here_and_what_could_be_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::default();
        sources.flags.insert("models-dir".to_owned(), vec![folder.path().display().to_string()]);
        let config = Config::load(&sources).unwrap();
        let all = rows(&config);
        assert!(all.iter().filter(|row| is_here(row)).all(|row| row.downloaded && row.embedded));
        assert_eq!(all.iter().filter(|row| is_here(row)).count(), 2);
        assert!(all.iter().any(|row| !row.downloaded && row.kind == Kind::Chat));
        let text = table(&all);
        assert!(text.contains("tabagent pull sentence-transformers/all-MiniLM-L6-v2"), "{text}");
    }
}
