//! What is typed: something to say to the model, or a command that begins with `/`.

use tabagent_runtime::SamplingRequest;

/// The commands, as `/help` shows them.
pub(super) const HELP: &str = "\
/help                  this list
/clear                 forget the conversation
/undo                  forget the last question and its answer
/retry                 answer the last question again
/system [TEXT]         what the model is told first; without a text nothing
/model [ID]            the model that answers; without an id what there is
/set [NAME VALUE]      how tokens are chosen; without a name what is set
/stats                 what the last answer took
/save FILE             write the conversation as JSON
/bye                   leave; Ctrl-D does as well
\"\"\" begins and ends a text of several lines. Ctrl-C stops an answer.
";

/// One thing that was typed.
#[derive(Debug, PartialEq)]
pub(super) enum Input {
    /// Nothing but white space.
    Nothing,
    Say(String),
    Help,
    Clear,
    Undo,
    Retry,
    System(Option<String>),
    Model(Option<String>),
    Set(Option<(String, String)>),
    Stats,
    Save(String),
    Bye,
}

impl Input {
    /// Reads what was typed.
    ///
    /// # Errors
    /// A sentence where it is a command that there is not.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        // A path or a division is no command: commands are words.
        let Some(command) =
            text.strip_prefix('/').filter(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '?'))
        else {
            return Ok(if text.is_empty() { Self::Nothing } else { Self::Say(text.to_owned()) });
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = Some(rest.trim()).filter(|rest| !rest.is_empty()).map(str::to_owned);
        let alone = |input: Self| match &rest {
            None => Ok(input),
            Some(rest) => Err(format!("/{name} stands alone; `{rest}` is too much")),
        };
        match name {
            "help" | "?" => alone(Self::Help),
            "clear" => alone(Self::Clear),
            "undo" => alone(Self::Undo),
            "retry" => alone(Self::Retry),
            "stats" => alone(Self::Stats),
            "bye" | "exit" | "quit" => alone(Self::Bye),
            "system" => Ok(Self::System(rest)),
            "model" => Ok(Self::Model(rest)),
            "save" => rest.map(Self::Save).ok_or_else(|| "/save needs the name of a file".to_owned()),
            "set" => match rest {
                None => Ok(Self::Set(None)),
                Some(rest) => match rest.split_once(char::is_whitespace) {
                    Some((name, value)) => Ok(Self::Set(Some((name.to_owned(), value.trim().to_owned())))),
                    None => Err(format!("/set {rest} needs a value, or `default`")),
                },
            },
            other => Err(format!("there is no command /{other}; /help lists them")),
        }
    }
}

/// How an answer is generated, as the flags and `/set` say.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in crate::server) struct Settings {
    pub(super) sampling: SamplingRequest,
    pub(super) max_tokens: Option<usize>,
}

impl Settings {
    /// Names of all, in the order in which they are shown.
    pub(in crate::server) const NAMES: [&str; 9] = [
        "temperature",
        "top_p",
        "top_k",
        "min_p",
        "repetition_penalty",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "max_tokens",
    ];

    /// Sets one; `default` leaves it to the model. Whether the value is in its range the runtime says.
    ///
    /// # Errors
    /// A sentence where there is no such setting, or the value is no number.
    pub(in crate::server) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        fn number<T: std::str::FromStr>(name: &str, value: &str) -> Result<Option<T>, String> {
            if value == "default" {
                return Ok(None);
            }
            value
                .parse()
                .map(Some)
                .map_err(|_| format!("`{value}` is no value of {name}; give a number, or `default`"))
        }
        let sampling = &mut self.sampling;
        match name {
            "temperature" => sampling.temperature = number(name, value)?,
            "top_p" => sampling.top_p = number(name, value)?,
            "top_k" => sampling.top_k = number(name, value)?,
            "min_p" => sampling.min_p = number(name, value)?,
            "repetition_penalty" => sampling.repetition_penalty = number(name, value)?,
            "presence_penalty" => sampling.presence_penalty = number(name, value)?,
            "frequency_penalty" => sampling.frequency_penalty = number(name, value)?,
            "seed" => sampling.seed = number(name, value)?,
            "max_tokens" => self.max_tokens = number(name, value)?,
            other => {
                return Err(format!("there is no setting `{other}`; there are {}", Self::NAMES.join(", ")));
            }
        }
        Ok(())
    }

    /// Each setting with its value, a line each.
    pub(super) fn show(&self) -> String {
        fn text(value: Option<impl ToString>) -> String {
            value.map_or_else(|| "default".to_owned(), |value| value.to_string())
        }
        let sampling = &self.sampling;
        let values = [
            text(sampling.temperature),
            text(sampling.top_p),
            text(sampling.top_k),
            text(sampling.min_p),
            text(sampling.repetition_penalty),
            text(sampling.presence_penalty),
            text(sampling.frequency_penalty),
            text(sampling.seed),
            text(self.max_tokens),
        ];
        Self::NAMES.iter().zip(values).map(|(name, value)| format!("{name:<19} {value}\n")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_words_and_everything_else_is_said() {
        let read = |text| Input::read(text);
        assert_eq!(read("  \n"), Ok(Input::Nothing));
        assert_eq!(read(" What is 1/2? "), Ok(Input::Say("What is 1/2?".to_owned())));
        assert_eq!(read("/ 2 + 3"), Ok(Input::Say("/ 2 + 3".to_owned())));
        assert_eq!(read("/help"), Ok(Input::Help));
        assert_eq!(read("/exit"), Ok(Input::Bye));
        assert_eq!(
            read("/system You are a\nparrot."),
            Ok(Input::System(Some("You are a\nparrot.".to_owned())))
        );
        assert_eq!(read("/system"), Ok(Input::System(None)));
        assert_eq!(read("/set top_p 0.5"), Ok(Input::Set(Some(("top_p".to_owned(), "0.5".to_owned())))));
        for (text, word) in
            [("/halp", "/help"), ("/set top_p", "value"), ("/save", "file"), ("/clear all", "alone")]
        {
            assert!(read(text).unwrap_err().contains(word), "{text}");
        }
    }

    #[test]
    fn settings_are_numbers_or_the_models_own() {
        let mut settings = Settings::default();
        for name in Settings::NAMES {
            settings.set(name, "1").unwrap();
        }
        assert_eq!(settings.sampling.top_k, Some(1));
        assert_eq!(settings.max_tokens, Some(1));
        for name in Settings::NAMES {
            assert!(settings.show().contains(&format!("{name:<19} 1\n")), "{}", settings.show());
            settings.set(name, "default").unwrap();
        }
        assert_eq!(settings, Settings::default());
        assert!(settings.set("top_k", "-1").unwrap_err().contains("top_k"));
        assert!(settings.set("temprature", "1").unwrap_err().contains("temperature"));
    }
}
