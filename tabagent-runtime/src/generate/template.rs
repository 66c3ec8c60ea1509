//! Chat templates: messages to the text that a model was trained on.
//!
//! They are Jinja programs in the model's files, written for Python's jinja2 with what transformers adds to it: `tojson`
//! without escapes, `raise_exception`, `strftime_now`, the `generation` block, and methods of Python's strings and dicts.

use std::sync::Arc;

use minijinja::{
    Environment, Error, ErrorKind, State, UndefinedBehavior, Value,
    syntax::SyntaxConfig,
    value::{Kwargs, Serde},
};
use serde::Deserialize;
use serde_json::Value as Json;

use super::markup::{CALL, Markup, THINK};
use crate::{
    error::{BackendError, Result},
    models::ModelFiles,
};

/// The templates of one model.
#[derive(Debug, Clone)]
pub(crate) struct ChatTemplate {
    environment: Arc<Environment<'static>>,
    /// Special tokens by the names that templates use: `bos_token`, `eos_token`, ...
    tokens: Vec<(String, String)>,
    /// Whether there is a template of its own for conversations with tools.
    tools: bool,
    /// Which marks the model uses.
    markup: Markup,
}

/// A conversation to be rendered.
#[derive(Debug, Clone, Default)]
pub struct Conversation {
    /// Messages, as transformers' `apply_chat_template` takes them.
    pub messages: Vec<Json>,
    /// Tools, as JSON objects of OpenAI's form `{"type": "function", "function": {..}}`.
    pub tools: Vec<Json>,
    /// Whether the prompt ends where the assistant begins to speak.
    pub add_generation_prompt: bool,
    /// Further variables of the template, such as `enable_thinking`.
    pub variables: serde_json::Map<String, Json>,
    /// What time the template takes it to be, in seconds since 1970; the time when it is rendered where there is none.
    pub now: Option<i64>,
}

/// Variable that holds [`Conversation::now`].
const NOW: &str = "now_in_seconds";
const MAIN: &str = "chat";
const TOOLS: &str = "tool_use";

impl ChatTemplate {
    /// Reads the template: `chat_template.jinja`, else the one in `tokenizer_config.json` or `chat_template.json`. `None`
    /// where the model has none.
    ///
    /// # Errors
    /// [`BackendError::ModelCorrupted`] where it is no template.
    pub(crate) fn read(id: &str, files: &ModelFiles) -> Result<Option<Self>> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Templates {
            One(String),
            Named(Vec<Named>),
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
            template: String,
        }
        let config: serde_json::Map<String, Json> =
            files.json(id, "tokenizer_config.json")?.unwrap_or_default();
        let alone: serde_json::Map<String, Json> = files.json(id, "chat_template.json")?.unwrap_or_default();
        let (mut main, mut tools) = (None, None);
        if let Some(bytes) = files.read(id, "chat_template.jinja")? {
            main = Some(
                String::from_utf8(bytes.into_owned())
                    .map_err(|_| BackendError::corrupted(id, "chat_template.jinja is not UTF-8"))?,
            );
        } else if let Some(value) =
            config.get("chat_template").or(alone.get("chat_template")).filter(|value| !value.is_null())
        {
            let templates: Templates = serde_json::from_value(value.clone()).map_err(|_| {
                BackendError::corrupted(id, "its chat_template is neither a text nor a list of named texts")
            })?;
            match templates {
                Templates::One(text) => main = Some(text),
                Templates::Named(list) => {
                    for named in list {
                        match named.name.as_str() {
                            "default" => main = Some(named.template),
                            TOOLS => tools = Some(named.template),
                            _ => {}
                        }
                    }
                }
            }
        }
        let Some(main) = main.or_else(|| tools.clone()) else { return Ok(None) };
        let tokens = config
            .iter()
            .filter(|(name, _)| name.ends_with("_token"))
            .filter_map(|(name, value)| {
                let text = value.as_str().or_else(|| value.get("content")?.as_str())?;
                Some((name.clone(), text.to_owned()))
            })
            .collect();
        let has_tools = tools.is_some();
        let mentions = |mark: &str| {
            main.contains(mark) || tools.as_ref().is_some_and(|template| template.contains(mark))
        };
        let markup = Markup { thoughts: mentions(THINK), calls: mentions(CALL), ..Markup::default() };
        let mut environment = environment()
            .map_err(|error| BackendError::internal(format!("templates cannot be set up: {error}")))?;
        let mut add = |name: &'static str, text: String| {
            environment.add_template_owned(name, without_generation_blocks(&text)).map_err(|error| {
                BackendError::corrupted(id, format!("its chat template cannot be read: {}", told(&error)))
            })
        };
        add(MAIN, main)?;
        if let Some(tools) = tools {
            add(TOOLS, tools)?;
        }
        Ok(Some(Self { environment: Arc::new(environment), tokens, tools: has_tools, markup }))
    }

    /// Which marks the model uses, by what its template says of them.
    pub(crate) fn markup(&self) -> Markup {
        self.markup
    }

    /// Renders a conversation.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the template refuses the messages, with its reason.
    pub(crate) fn render(&self, conversation: &Conversation) -> Result<String> {
        let failed = |error: Error| {
            BackendError::invalid(
                "messages",
                format!("the model's chat template refuses them: {}", told(&error)),
            )
        };
        let name = if self.tools && !conversation.tools.is_empty() { TOOLS } else { MAIN };
        let mut context: std::collections::BTreeMap<String, Value> =
            self.tokens.iter().map(|(name, text)| (name.clone(), Value::from(text.as_str()))).collect();
        for (name, value) in &conversation.variables {
            context.insert(name.clone(), Value::from(Serde(value)));
        }
        let tools = if conversation.tools.is_empty() {
            Value::from(())
        } else {
            Value::from(Serde(&conversation.tools))
        };
        context.insert("tools".to_owned(), tools);
        context.insert("messages".to_owned(), Value::from(Serde(&conversation.messages)));
        context.insert("add_generation_prompt".to_owned(), Value::from(conversation.add_generation_prompt));
        if let Some(now) = conversation.now {
            context.insert(NOW.to_owned(), Value::from(now));
        }
        let template = self.environment.get_template(name).map_err(failed)?;
        template.render(context).map_err(failed)
    }
}

/// jinja2 as transformers sets it up.
fn environment() -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_undefined_behavior(UndefinedBehavior::Lenient);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.set_unknown_method_callback(minijinja_contrib::pycompat::unknown_method_callback);
    environment.add_filter("tojson", to_json);
    environment.add_function("raise_exception", |message: String| -> std::result::Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_function("strftime_now", strftime_now);
    Ok(environment)
}

/// `tojson` as transformers has it: Python's `json.dumps(ensure_ascii=False)`, whose separators have spaces.
fn to_json(value: Value, options: Kwargs) -> std::result::Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Accepted, and as they are by default: keys in their order, and nothing escaped.
    let _: Option<bool> = options.get("ensure_ascii")?;
    let _: Option<bool> = options.get("sort_keys")?;
    let _: Option<Value> = options.get("separators")?;
    options.assert_all_used()?;
    let failed = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let mut bytes = Vec::new();
    let json = serde_json::to_value(&value).map_err(failed)?;
    python_json(&json, indent, 0, &mut bytes).map_err(failed)?;
    String::from_utf8(bytes)
        .map(Value::from_safe_string)
        .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// Writes JSON as Python's `json.dumps` does.
fn python_json(
    value: &Json,
    indent: Option<usize>,
    depth: usize,
    out: &mut Vec<u8>,
) -> serde_json::Result<()> {
    let line = |out: &mut Vec<u8>, depth: usize| {
        if let Some(indent) = indent {
            out.push(b'\n');
            out.extend(std::iter::repeat_n(b' ', indent * depth));
        }
    };
    let comma: &[u8] = if indent.is_some() { b"," } else { b", " };
    match value {
        Json::Array(items) if !items.is_empty() => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(comma);
                }
                line(out, depth + 1);
                python_json(item, indent, depth + 1, out)?;
            }
            line(out, depth);
            out.push(b']');
            Ok(())
        }
        Json::Object(entries) if !entries.is_empty() => {
            out.push(b'{');
            for (index, (key, item)) in entries.iter().enumerate() {
                if index > 0 {
                    out.extend_from_slice(comma);
                }
                line(out, depth + 1);
                serde_json::to_writer(&mut *out, key)?;
                out.extend_from_slice(b": ");
                python_json(item, indent, depth + 1, out)?;
            }
            line(out, depth);
            out.push(b'}');
            Ok(())
        }
        Json::Number(number) if number.is_f64() => {
            out.extend_from_slice(python_float(number.as_f64().unwrap_or_default()).as_bytes());
            Ok(())
        }
        other => serde_json::to_writer(out, other),
    }
}

/// A float as Python's `repr` writes it: the shortest digits, with an exponent below 1e-4 and from 1e16 on, of two digits
/// at least and with its sign.
fn python_float(value: f64) -> String {
    let written = format!("{value:e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) || value == 0.0 {
        let plain = value.to_string();
        return if plain.contains('.') { plain } else { format!("{plain}.0") };
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// The date in UTC, by the conversions of C's `strftime`.
fn strftime_now(state: &State<'_, '_>, format: String) -> std::result::Result<String, Error> {
    let failed =
        |error: jiff::Error| Error::new(ErrorKind::InvalidOperation, format!("strftime_now: {error}"));
    let now = match state.lookup(NOW).and_then(|now| i64::try_from(now).ok()) {
        Some(seconds) => jiff::Timestamp::from_second(seconds).map_err(failed)?,
        None => jiff::Timestamp::now(),
    };
    jiff::fmt::strtime::format(&format, &now.to_zoned(jiff::tz::TimeZone::UTC)).map_err(failed)
}

/// The text without `{% generation %}` and its end, which mark what to train on and print nothing.
fn without_generation_blocks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let Some(length) = rest[start..].find("%}") else { break };
        let end = start + length + 2;
        let inside = rest[start + 2..end - 2].trim_matches(['-', '+', ' ', '\t', '\n', '\r']);
        if matches!(inside, "generation" | "endgeneration") {
            // A comment strips white space just as the block does.
            out.push_str(&rest[..start]);
            let left = if rest[start + 2..].starts_with('-') { "{#-" } else { "{#" };
            let right = if rest[..end - 2].ends_with('-') { "-#}" } else { "#}" };
            out.push_str(left);
            out.push_str(right);
        } else {
            out.push_str(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out.push_str(rest);
    out
}

/// What a template's error says, without its kind.
fn told(error: &Error) -> String {
    let what = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) => format!("{what} (line {line})"),
        None => what,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_pythons() {
        let value = serde_json::json!({ "name": "get", "list": [1, 2.5, "é"], "none": null, "empty": {} });
        let write = |indent| {
            let mut out = Vec::new();
            python_json(&value, indent, 0, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        // json.dumps(value, ensure_ascii=False), and with indent=2.
        assert_eq!(write(None), r#"{"name": "get", "list": [1, 2.5, "é"], "none": null, "empty": {}}"#);
        assert_eq!(
            write(Some(2)),
            "{\n  \"name\": \"get\",\n  \"list\": [\n    1,\n    2.5,\n    \"é\"\n  ],\n  \"none\": null,\n  \"empty\": {}\n}"
        );
    }

    #[test]
    fn floats_are_pythons() {
        // repr() of each.
        for (value, expected) in [
            (2.5, "2.5"),
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (1e20, "1e+20"),
            (1e16, "1e+16"),
            (123_456_789_012_345.6, "123456789012345.6"),
            (-3e-7, "-3e-07"),
            (0.0001, "0.0001"),
            (1.25e-5, "1.25e-05"),
            (1e100, "1e+100"),
        ] {
            assert_eq!(python_float(value), expected);
        }
    }

    #[test]
    fn generation_blocks_print_nothing() {
        assert_eq!(
            without_generation_blocks("a {%- generation -%} b {% endgeneration %}{% if x %}"),
            "a {#--#} b {##}{% if x %}"
        );
    }
}
