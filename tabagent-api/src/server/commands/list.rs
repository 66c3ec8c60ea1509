//! `tabagent list`: the models that are here, and on request those that could be pulled.

use std::process::ExitCode;

use tabagent_runtime::hub::Hub;
use tabagent_runtime::models::{Catalog, known_models};

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
        Some(url) => asked(&Client::new(Some(url), config), all)?,
        None => rows(config, all),
    };
    let written = if json { output::print_json(&rows) } else { output::print(&table(&rows)) };
    written.map_err(CommandError::system("the models cannot be written"))?;
    Ok(ExitCode::SUCCESS)
}

/// As a server lists them.
fn asked(server: &Client, all: bool) -> Result<Vec<RegisteredModel>, CommandError> {
    let list: RegisteredList = server.known(server.get("/v1/models/registered")?)?;
    Ok(list.data.into_iter().filter(|model| all || model.downloaded).collect())
}

fn rows(config: &Config, all: bool) -> Vec<RegisteredModel> {
    let hub = Hub::new(config.models_dir.clone(), config.device, config.hub());
    let known = &known_models().models;
    let mut rows: Vec<RegisteredModel> = Catalog::new(config.models_dir.clone())
        .scan()
        .iter()
        .map(|entry| RegisteredModel {
            id: entry.id.clone(),
            object: "model".to_owned(),
            // No server is asked.
            loaded: false,
            summary: known.iter().find(|known| known.id == entry.id).map(|known| known.summary.clone()),
            kind: entry.kind().into(),
            downloaded: true,
            embedded: entry.embedded(),
            size_bytes: entry.variants.iter().map(|variant| variant.size).sum(),
            variants: entry.variants.iter().map(|variant| variant.name.clone()).collect(),
            commit: if entry.embedded() { None } else { hub.origin(&entry.id).map(|origin| origin.commit) },
            licence: known.iter().find(|known| known.id == entry.id).map(|known| known.licence.clone()),
            problem: entry.problem().map(|error| error.to_string()),
        })
        .collect();
    if all {
        for known in known {
            if !rows.iter().any(|row| row.id == known.id) {
                rows.push(RegisteredModel {
                    id: known.id.clone(),
                    object: "model".to_owned(),
                    loaded: false,
                    summary: Some(known.summary.clone()),
                    kind: known.kind.into(),
                    downloaded: false,
                    embedded: false,
                    size_bytes: known.size,
                    variants: Vec::new(),
                    commit: None,
                    licence: Some(known.licence.clone()),
                    problem: None,
                });
            }
        }
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

fn table(rows: &[RegisteredModel]) -> String {
    let head = ["MODEL", "KIND", "SIZE", "VARIANTS", "FROM"].map(str::to_owned);
    let rows = rows.iter().map(|row| {
        let from = match (&row.problem, &row.commit) {
            (Some(problem), _) => format!("cannot be used: {problem}"),
            (None, _) if row.embedded => "inside the program".to_owned(),
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
        let here = rows(&config, false);
        assert!(here.iter().all(|row| row.downloaded && row.embedded) && here.len() == 2);
        let all = rows(&config, true);
        assert!(all.iter().any(|row| !row.downloaded && row.kind == Kind::Chat));
        let text = table(&all);
        assert!(text.contains("tabagent pull sentence-transformers/all-MiniLM-L6-v2"), "{text}");
    }
}
