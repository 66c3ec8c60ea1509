//! The words of `tabagent`: its commands, their arguments, and a flag for each setting.

use std::path::PathBuf;

use clap::{Arg, ArgAction, Command};

use super::READ_PDF;
use crate::server::{commands, config::SETTINGS};

/// The grammar of the command line.
pub fn command() -> Command {
    let json = || Arg::new("json").long("json").action(ArgAction::SetTrue).help("Write JSON instead of text");
    let runtime = Command::new("runtime")
        .about("Find or install ONNX Runtime")
        .subcommand(
            Command::new("status").about("Show every place where it is looked for (the default)").arg(json()),
        )
        .subcommand(
            Command::new("install").about("Install it for this user, whatever else is there").arg(
                Arg::new("build")
                    .value_name("BUILD")
                    .value_parser(["cpu", "cuda"])
                    .default_value("cpu")
                    .help("Which build"),
            ),
        )
        .subcommand(Command::new("path").about("Print the path of the library that would be used"));
    let routes = Command::new("routes").about("List the routes").arg(json());
    let openapi = Command::new("openapi").about("Print the OpenAPI document");
    let run = Command::new("run")
        .about("Chat with a model in the terminal, without a server")
        .after_help("Parameters of POST /v1/params are the server's, and are read with --session alone.")
        .arg(Arg::new("model").value_name("MODEL").help("Id of the model [default: tabagent-chat]"))
        .arg(
            Arg::new("prompt")
                .value_name("PROMPT")
                .num_args(1..)
                .help("What to ask once [default: what stdin holds, or a conversation]"),
        )
        .arg(Arg::new("system").long("system").value_name("TEXT").help("What the model is told first"))
        .arg(
            Arg::new("session")
                .long("session")
                .value_name("ID")
                .help("Go on with a session of the server's, which must not run, or begin it"),
        )
        .arg(
            Arg::new("history-limit")
                .long("history-limit")
                .value_name("N")
                .value_parser(clap::value_parser!(u32).range(0..=10_000))
                .requires("session")
                .help(
                    "Read so many of the session's last messages, as the field of POST /v1/chat/completions",
                ),
        )
        .args(commands::run::Settings::NAMES.iter().map(|name| {
            let flag = name.replace('_', "-");
            let help = "As the field of the same name of POST /v1/chat/completions";
            Arg::new(*name).long(flag).value_name("N").allow_negative_numbers(true).help(help)
        }));
    let number = |name: &'static str, least: i64, default: &'static str, help: &'static str| {
        let parser = clap::value_parser!(u16).range(least..);
        Arg::new(name).long(name).value_name("N").value_parser(parser).default_value(default).help(help)
    };
    let bench = Command::new("bench")
        .about("Measure how fast a model runs here, without a server")
        .arg(Arg::new("model").value_name("MODEL").help("Id of the model [default: tabagent-chat]"))
        .arg(number("prompt-tokens", 1, "512", "Tokens of the prompt that a decoder reads"))
        .arg(number("tokens", 2, "128", "Tokens that a decoder writes"))
        .arg(
            number("streams", 1, "8", "Answers that run together; several with commas between")
                .value_delimiter(','),
        )
        .arg(number("rounds", 1, "3", "How often everything is measured"))
        .arg(json());
    let url = || {
        let help = "Where the server is [default: what --host and --port say]";
        Arg::new("url").long("url").value_name("URL").help(help)
    };
    let server = || url().help("Ask the server that is there [default: the models folder of this machine]");
    let ps = Command::new("ps")
        .about("List the models that a running server has in memory")
        .arg(url())
        .arg(json());
    let load = Command::new("load")
        .about("Bring a model into the memory of a running server")
        .after_help("--context, --device and --keep-alive are the model's where they stand on the command line, and else the server's.")
        .arg(url())
        .arg(Arg::new("model").value_name("MODEL").required(true).help("Id of the model"))
        .arg(Arg::new("variant").long("variant").value_name("NAME").help("Which of its ONNX files [default: its first]"))
        .arg(Arg::new("pin").long("pin").action(ArgAction::SetTrue).help("It stays until it is unloaded"));
    let unload = Command::new("unload")
        .about("Take models out of the memory of a running server")
        .arg(url())
        .arg(Arg::new("model").value_name("MODEL").help("Id of the model [default: all]"))
        .arg(Arg::new("force").long("force").action(ArgAction::SetTrue).help("End the requests that use it"));
    let pull = Command::new("pull")
        .about("Bring a model from the hub into the models folder")
        .after_help(
            "What was interrupted, by Ctrl-C or otherwise, is carried on by the next pull of the same model.\n\
             HF_ENDPOINT, HF_TOKEN, HF_HOME and HF_HUB_CACHE mean what they mean to Hugging Face's own programs.",
        )
        .arg(
            Arg::new("reference")
                .value_name("OWNER/NAME[:VARIANT][@REVISION]")
                .required(true)
                .help("The repository; which of its ONNX files [default: one that suits this machine]; which version [default: main]"),
        )
        .arg(server())
        .arg(json().help("Write a line of JSON for each step instead of bars"));
    let list = Command::new("list")
        .about("List the models that are here")
        .arg(
            Arg::new("all")
                .long("all")
                .action(ArgAction::SetTrue)
                .help("And those that are known and could be pulled"),
        )
        .arg(server())
        .arg(json());
    let rm = Command::new("rm")
        .about("Delete a model from the models folder")
        .arg(server())
        .arg(Arg::new("model").value_name("MODEL").required(true).help("Its id"));
    let read_pdf = Command::new(READ_PDF).about("Read the text of a PDF from stdin, for a server").hide(true);
    let ingest = Command::new("ingest")
        .about("Send files and folders to a running server, which keeps them as documents")
        .after_help(
            "Text, Markdown, HTML and PDF are kept; what else is below a folder is named and skipped, hidden files are left out.\n\
              A file is one document: what is kept already is not embedded again, and what has changed takes the place of what it\n\
              was. One that is gone stays until DELETE /v1/rag/documents/{document_id}.",
        )
        .arg(
            Arg::new("paths")
                .value_name("PATH")
                .num_args(1..)
                .required(true)
                .value_parser(clap::value_parser!(PathBuf))
                .help("Files, and folders with all that is below them"),
        )
        .arg(
            Arg::new("metadata")
                .long("metadata")
                .value_name("JSON")
                .help("What is said of each document, for filters: an object"),
        )
        .arg(url())
        .arg(json().help("Write the summary as JSON"));
    let doctor = Command::new("doctor").about("Check whether serving would work here").arg(json());
    with_settings(Command::new("tabagent"))
        .about("A local AI server: models on ONNX Runtime behind the routes that OpenAI's clients speak")
        .after_help("Without a command it serves.\nA setting is read from its flag, else its variable, else the file, else it has its default.")
        .version(env!("CARGO_PKG_VERSION"))
        .args_conflicts_with_subcommands(true)
        .subcommand(with_settings(Command::new("serve").about("Serve the API (the default)")))
        .subcommand(with_settings(run))
        .subcommand(with_settings(bench))
        .subcommand(with_settings(ps))
        .subcommand(with_settings(load))
        .subcommand(with_settings(unload))
        .subcommand(with_settings(pull))
        .subcommand(with_settings(list))
        .subcommand(with_settings(rm))
        .subcommand(with_settings(ingest))
        .subcommand(with_settings(routes))
        .subcommand(with_settings(openapi))
        .subcommand(with_settings(doctor))
        .subcommand(runtime)
        .subcommand(read_pdf)
}

/// Adds a flag for every setting.
fn with_settings(command: Command) -> Command {
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .help("The TOML file [default: tabagent.toml in the data folder, else in the user's folder for configuration] [env: TABAGENT_CONFIG]")
        .help_heading("Settings");
    SETTINGS.iter().fold(command.arg(config), |command, setting| {
        let action = if setting.list { ArgAction::Append } else { ArgAction::Set };
        command.arg(
            Arg::new(setting.field)
                .long(setting.key())
                .value_name(setting.value_name)
                .action(action)
                .help(setting.long_help())
                .help_heading("Settings"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_consistent_and_every_setting_is_a_flag_of_serve_and_of_no_command() {
        command().debug_assert();
        for start in [vec!["tabagent"], vec!["tabagent", "serve"]] {
            for setting in SETTINGS {
                let arguments = [start.clone(), vec!["--port=0"]].concat();
                let flag = format!("--{}=x", setting.key());
                let mut arguments: Vec<String> = arguments.into_iter().map(str::to_owned).collect();
                if setting.field != "port" {
                    arguments.push(flag);
                }
                let matches = command().try_get_matches_from(&arguments).unwrap();
                let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
                assert!(matches.get_many::<String>(setting.field).is_some(), "{arguments:?}");
            }
        }
    }
}
