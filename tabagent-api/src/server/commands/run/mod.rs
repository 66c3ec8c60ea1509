//! `tabagent run`: chat with a model in the terminal, without a server.
//!
//! With a terminal it is a conversation, with a history of what was typed and commands that begin with `/`. Else, or with
//! a prompt on the command line, it answers once and writes nothing but the answer to stdout, for use in pipes.

mod input;
mod talk;

use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;
use tabagent_runtime::Piece;
use tabagent_runtime::models::{CHAT_ID, ModelKind};
use tabagent_runtime::runtime::Runtime;

use crate::framework::validation::broken_rules;
use crate::routes::sessions::SessionPath;
use crate::server::cli::CommandError;
use crate::server::config::Config;
use crate::server::output;
use input::{HELP, Input};
use talk::{End, Talk};

pub(in crate::server) use input::Settings;

/// What the command line says beside the settings.
#[derive(Debug)]
pub(in crate::server) struct Options {
    /// Id of the model; the one inside the binary where there is none.
    pub(in crate::server) model: Option<String>,
    /// What to ask; a conversation where there is none.
    pub(in crate::server) prompt: Option<String>,
    /// What the model is told first.
    pub(in crate::server) system: Option<String>,
    /// Id of the session to go on with.
    pub(in crate::server) session: Option<String>,
    /// How many of its last messages are read; all where there is none.
    pub(in crate::server) history_limit: Option<u32>,
    pub(in crate::server) settings: Settings,
}

/// Most bytes of a question that is read from a pipe.
const LONGEST_QUESTION: u64 = 16 << 20;
/// Exit code after Ctrl-C.
const INTERRUPTED: u8 = 130;
/// Time that the engine has to leave; nothing waits for it any more.
const GRACE: Duration = Duration::from_secs(1);
/// What marks a text of several lines.
const QUOTES: &str = "\"\"\"";

pub(in crate::server) fn run(config: &Config, options: Options) -> Result<ExitCode, CommandError> {
    // Told before the store is opened.
    if let Some(session_id) = options.session.clone()
        && let Some(wrong) = broken_rules(&SessionPath { session_id }).first()
    {
        return Err(CommandError::Other(format!("--session: {}", wrong.message)));
    }
    let store = options.session.as_ref().map(|_| config.data_dir.clone());
    let runtime = super::quiet_runtime_in(config, store)?;
    let tokio = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(CommandError::system("the thread of the conversation cannot be started"))?;
    let mut talk =
        Talk::new(options.model.unwrap_or_else(|| CHAT_ID.to_owned()), options.system, options.settings);
    if let Some(session) = options.session {
        tokio.block_on(talk.go_on(&runtime, session, options.history_limit))?;
    }
    let mut session = Session { runtime, tokio, talk };
    let outcome = match options.prompt {
        Some(prompt) => session.once(prompt),
        None if std::io::stdin().is_terminal() => session.converse(&config.data_dir),
        None => question().and_then(|question| session.once(question)),
    };
    session.tokio.block_on(session.runtime.shutdown(GRACE));
    outcome
}

/// The question that a pipe holds.
fn question() -> Result<String, CommandError> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(LONGEST_QUESTION + 1).read_to_string(&mut text);
    let length = read.map_err(CommandError::system("the question on stdin cannot be read"))?;
    if length as u64 > LONGEST_QUESTION {
        return Err(CommandError::Other(format!(
            "the question on stdin is longer than {LONGEST_QUESTION} bytes"
        )));
    }
    if text.trim().is_empty() {
        return Err(CommandError::Other(
            "stdin holds no question; write one, or give it as an argument".to_owned(),
        ));
    }
    Ok(text)
}

/// A runtime, and the conversation on it.
struct Session {
    runtime: Runtime,
    tokio: tokio::runtime::Runtime,
    talk: Talk,
}

impl Session {
    /// Answers one question. Thoughts are left out.
    fn once(&mut self, question: String) -> Result<ExitCode, CommandError> {
        match self.ask(question, false)? {
            End::Whole => Ok(ExitCode::SUCCESS),
            End::Cut => {
                output::note("the answer was cut at the most tokens that it may have");
                Ok(ExitCode::SUCCESS)
            }
            End::Stopped => Ok(ExitCode::from(INTERRUPTED)),
        }
    }

    /// Answers what is typed, until the user leaves.
    fn converse(&mut self, data_dir: &Path) -> Result<ExitCode, CommandError> {
        let unusable =
            |error: ReadlineError| CommandError::Other(format!("the terminal cannot be read: {error}"));
        let mut editor = DefaultEditor::new().map_err(unusable)?;
        let history = data_dir.join("run-history.txt");
        // The first time there is none.
        let _ = editor.load_history(&history);
        output::note(&format!("{}: /help lists the commands, Ctrl-D leaves", self.talk.model));
        loop {
            match typed(&mut editor) {
                Ok(text) => {
                    if !text.trim().is_empty() {
                        editor.add_history_entry(text.trim()).map_err(unusable)?;
                    }
                    match Input::read(unquoted(&text)) {
                        Ok(Input::Bye) => break,
                        Ok(input) => self.obey(input),
                        Err(reason) => output::note(&reason),
                    }
                }
                Err(ReadlineError::Interrupted) => output::note("Ctrl-D or /bye leaves"),
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(unusable(error)),
            }
        }
        let kept = std::fs::create_dir_all(data_dir).map_err(ReadlineError::from);
        if let Err(error) = kept.and_then(|()| editor.save_history(&history)) {
            output::note(&format!("what was typed could not be kept in {}: {error}", history.display()));
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Does one thing that was typed. What goes wrong is told, and the conversation goes on.
    fn obey(&mut self, input: Input) {
        match input {
            Input::Nothing | Input::Bye => {}
            Input::Say(question) => self.answer(question),
            Input::Help => output::note(HELP.trim_end()),
            Input::Clear | Input::Undo | Input::Retry if self.talk.session.is_some() => {
                output::note("a session keeps what was said; this is for a conversation without one");
            }
            Input::Clear => {
                self.talk.clear();
                output::note("the conversation is forgotten");
            }
            Input::Undo => match self.talk.undo() {
                Some(question) => output::note(&format!("forgotten: {question}")),
                None => output::note("nothing was asked yet"),
            },
            Input::Retry => match self.talk.undo() {
                Some(question) => self.answer(question),
                None => output::note("nothing was asked yet"),
            },
            Input::System(text) => {
                self.talk.system = text;
                let told = self.talk.system.as_deref().unwrap_or("nothing");
                output::note(&format!("the model is told first: {told}"));
            }
            Input::Model(None) => self.list_models(),
            Input::Model(Some(id)) => match self.runtime.model(&id) {
                Ok(found) if found.info.kind == ModelKind::Chat => {
                    output::note(&format!("{id} answers from now on"));
                    self.talk.model = id;
                }
                Ok(_) => output::note(&format!("`{id}` is no chat model; /model lists those that are")),
                Err(error) => output::note(&format!("{error}; /model lists what there is")),
            },
            Input::Set(None) => output::note(self.talk.settings.show().trim_end()),
            Input::Set(Some((name, value))) => match self.talk.settings.set(&name, &value) {
                Ok(()) => output::note(&format!("{name} is {value}")),
                Err(reason) => output::note(&reason),
            },
            Input::Stats => match &self.talk.last {
                Some(figures) => output::note(&figures.to_string()),
                None => output::note("nothing was answered yet"),
            },
            Input::Save(path) => match self.save(Path::new(&path)) {
                Ok(()) => output::note(&format!("the conversation is in {path}")),
                Err(error) => output::note(&format!("{path} cannot be written: {error}")),
            },
        }
    }

    fn list_models(&self) {
        for model in self.runtime.models().iter().filter(|model| model.kind == ModelKind::Chat) {
            let mark = if model.id == self.talk.model { "*" } else { " " };
            output::note(&format!("{mark} {}", model.id));
        }
    }

    /// The conversation in the form of the field `messages` of POST /v1/chat/completions. An older file stays.
    fn save(&self, path: &Path) -> std::io::Result<()> {
        let mut file = std::fs::File::create_new(path)?;
        file.write_all(serde_json::to_string_pretty(&self.talk.messages())?.as_bytes())?;
        file.write_all(b"\n")
    }

    fn answer(&mut self, question: String) {
        match self.ask(question, true) {
            Ok(End::Whole) => {}
            Ok(End::Cut) => output::note("(cut at the most tokens that it may have)"),
            Ok(End::Stopped) => output::note("(stopped)"),
            Err(error) => {
                let anew = if self.talk.session.is_some() { "" } else { "/clear begins anew, " };
                output::note(&format!("error: {error}; {anew}/set shows the settings"));
            }
        }
    }

    /// Asks, and writes the answer as it comes.
    fn ask(&mut self, question: String, thoughts: bool) -> Result<End, CommandError> {
        let mut writer = Writer { thoughts, thinking: false, failed: None };
        let Self { runtime, tokio, talk } = self;
        let end = tokio.block_on(async {
            let stop = async {
                // Where Ctrl-C cannot be received it ends the process, as it does without us.
                if tokio::signal::ctrl_c().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            talk.ask(runtime, question, stop, |piece| writer.take(piece)).await
        })?;
        writer.end();
        match writer.failed {
            None => Ok(end),
            Some(error) => Err(CommandError::system("the answer cannot be written")(error)),
        }
    }
}

/// Writes an answer to stdout.
struct Writer {
    /// Whether thoughts are shown, in grey.
    thoughts: bool,
    thinking: bool,
    failed: Option<std::io::Error>,
}

impl Writer {
    fn take(&mut self, piece: &Piece) {
        match piece {
            Piece::Text(text) => {
                let end = if std::mem::take(&mut self.thinking) { "\x1b[0m\n\n" } else { "" };
                self.print(&format!("{end}{text}"));
            }
            Piece::Thought(text) if self.thoughts => {
                let begin = if std::mem::replace(&mut self.thinking, true) { "" } else { "\x1b[2m" };
                self.print(&format!("{begin}{text}"));
            }
            Piece::Thought(_) => {}
            // Without tools nothing is a call.
            Piece::CallBegun { .. } | Piece::Arguments(_) | Piece::CallEnd { .. } => {}
        }
    }

    fn end(&mut self) {
        let end = if std::mem::take(&mut self.thinking) { "\x1b[0m\n" } else { "\n" };
        self.print(end);
    }

    /// The first failure is kept, and nothing is written after it.
    fn print(&mut self, text: &str) {
        if self.failed.is_none() {
            self.failed = output::print(text).err();
        }
    }
}

/// A line, or several between quotes.
fn typed(editor: &mut DefaultEditor) -> rustyline::Result<String> {
    let mut text = editor.readline("> ")?;
    while text.trim_start().starts_with(QUOTES) && !closed(&text) {
        text.push('\n');
        text.push_str(&editor.readline(". ")?);
    }
    Ok(text)
}

/// Whether a text that begins with quotes ends with others.
fn closed(text: &str) -> bool {
    let text = text.trim();
    text.len() >= 2 * QUOTES.len() && text.ends_with(QUOTES)
}

/// A text without the quotes around it.
fn unquoted(text: &str) -> &str {
    let inner = text.trim().strip_prefix(QUOTES).and_then(|text| text.strip_suffix(QUOTES));
    inner.unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_several_lines() {
        assert!(closed("\"\"\"a\nb\"\"\"") && !closed("\"\"\"") && !closed("\"\"\"a"));
        assert_eq!(unquoted("\"\"\"a\nb\"\"\" "), "a\nb");
        assert_eq!(unquoted("a \"\"\""), "a \"\"\"");
    }
}
