//! From a constraint to a grammar, in llguidance's variant of Lark's syntax, with a part for each JSON Schema.

use llguidance::api::{GrammarWithLexer, TopLevelGrammar};
use serde_json::{Map, Value, json};

use super::{CallConstraint, Constraint, TextConstraint, TextForm};
use crate::{
    error::{BackendError, Result},
    generate::markup::{CALL, CALLED, THINK, THOUGHT},
};

/// White space between the parts of JSON: a space, or a line break with an indent. Without a bound a model that is lost
/// writes nothing else any more.
const WHITE_SPACE: &str = r"\x20|\r?\n[\x20\t]{0,32}";

/// Name of the grammar of a text.
const TEXT: &str = "text";

/// Whether an answer begins with a thought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thoughts {
    /// It has none.
    None,
    /// It may.
    Possible,
    /// The prompt ends within one.
    Begun,
}

/// The grammar of an answer.
///
/// # Errors
/// [`BackendError::InvalidInput`] where a schema is neither an object nor a truth value, or there is nothing to choose from.
pub(super) fn of(constraint: &Constraint, thoughts: Thoughts) -> Result<TopLevelGrammar> {
    let text = constraint.text.as_ref().map(text_grammar).transpose()?;
    let Some(calls) = &constraint.calls else {
        let text = text.unwrap_or_else(|| lark(TEXT, "start: /(?s:.*)/".to_owned()));
        if thoughts == Thoughts::None {
            return Ok(TopLevelGrammar::from_grammar(text));
        }
        return Ok(with_parts(format!("{}@{TEXT}\n{}", start(thoughts), thought(thoughts)), vec![text]));
    };
    let mut rules = thought(thoughts);
    let mut parts = call_rules(calls, &mut rules)?;
    let further = if calls.parallel { r#" ("\n" call)*"# } else { "" };
    let answer = match (text, calls.required) {
        (_, true) => format!("call{further}"),
        (Some(text), false) => {
            parts.push(text);
            format!("(@{TEXT} | call{further})")
        }
        (None, false) => {
            // A call begins where its mark is first complete. A mark within a thought is none.
            let not_thought = match thoughts {
                Thoughts::Possible => format!(r" & ~/\s*{}(?s:.*)/", pattern(THINK)),
                Thoughts::None | Thoughts::Begun => String::new(),
            };
            rules.push_str(&format!("FREE: /(?s:.*)/{not_thought}\nbefore[lazy]: FREE {}\n", literal(CALL)));
            format!("(FREE | before body{further})")
        }
    };
    Ok(with_parts(format!("{}{answer}\n{rules}", start(thoughts)), parts))
}

/// The beginning of the first rule.
fn start(thoughts: Thoughts) -> &'static str {
    match thoughts {
        Thoughts::None => "start: ",
        Thoughts::Possible => "start: (thought gap)? ",
        Thoughts::Begun => "start: thought gap ",
    }
}

/// The rules of a thought and of the white space after it.
fn thought(thoughts: Thoughts) -> String {
    let begun = match thoughts {
        Thoughts::None => return String::new(),
        Thoughts::Possible => format!(r"\s{{0,8}}{}", pattern(THINK)),
        Thoughts::Begun => String::new(),
    };
    format!("thought[lazy]: /{begun}(?s:.*){}/\ngap: /\\s{{0,8}}/\n", pattern(THOUGHT))
}

/// Writes the rules of calls, and gives the grammars of their arguments.
fn call_rules(calls: &CallConstraint, rules: &mut String) -> Result<Vec<GrammarWithLexer>> {
    let mut parts = Vec::new();
    let mut functions = Vec::new();
    for (at, tool) in calls.tools.iter().enumerate() {
        let head = format!("{{\"name\": {}, \"arguments\": ", Value::from(tool.name.as_str()));
        let part = format!("arguments_{at}");
        functions.push(format!("{} @{part} \"}}\"", literal(&head)));
        let mut schema = match &tool.parameters {
            Some(schema) => object(&tool.field, schema)?,
            None => Map::from_iter([("additionalProperties".to_owned(), json!(false))]),
        };
        of_type_object(&mut schema);
        parts.push(json_grammar(&part, schema, tool.strict));
    }
    if functions.is_empty() {
        return Err(BackendError::invalid("tools", "are none; give at least one that may be called"));
    }
    rules.push_str(&format!(
        "call: {} body\nbody: \"\\n\" function {}\nfunction: {}\n",
        literal(CALL),
        literal(&format!("\n{CALLED}")),
        functions.join(" | "),
    ));
    Ok(parts)
}

/// The grammar of a text.
fn text_grammar(text: &TextConstraint) -> Result<GrammarWithLexer> {
    Ok(match &text.form {
        TextForm::JsonObject => {
            let mut schema = Map::new();
            of_type_object(&mut schema);
            json_grammar(TEXT, schema, true)
        }
        TextForm::JsonSchema { schema, strict } => json_grammar(TEXT, object(&text.field, schema)?, *strict),
        TextForm::Regex(regex) => {
            GrammarWithLexer { name: Some(TEXT.to_owned()), ..GrammarWithLexer::from_regex(regex) }
        }
        TextForm::Lark(grammar) => lark(TEXT, grammar.clone()),
        TextForm::Choice(texts) => {
            if texts.is_empty() {
                return Err(BackendError::invalid(&text.field, "is empty; give at least one text"));
            }
            let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
            lark(TEXT, format!("start: {}", texts.join(" | ")))
        }
    })
}

fn with_parts(start: String, parts: Vec<GrammarWithLexer>) -> TopLevelGrammar {
    let grammars = std::iter::once(lark("answer", start)).chain(parts).collect();
    TopLevelGrammar { grammars, max_tokens: None }
}

fn lark(name: &str, grammar: String) -> GrammarWithLexer {
    GrammarWithLexer { name: Some(name.to_owned()), lark_grammar: Some(grammar), json_schema: None }
}

/// The grammar of a JSON Schema.
fn json_grammar(name: &str, mut schema: Map<String, Value>, strict: bool) -> GrammarWithLexer {
    // llguidance's options stand in the schema. What a request says there would undo ours.
    let options = json!({ "whitespace_pattern": WHITE_SPACE, "lenient": !strict });
    schema.insert("x-guidance".to_owned(), options);
    GrammarWithLexer {
        name: Some(name.to_owned()),
        lark_grammar: None,
        json_schema: Some(Value::Object(schema)),
    }
}

/// A schema as an object: `true` is one that says nothing.
fn object(field: &str, schema: &Value) -> Result<Map<String, Value>> {
    match schema {
        Value::Object(schema) => Ok(schema.clone()),
        Value::Bool(true) => Ok(Map::new()),
        _ => Err(BackendError::invalid(field, "is no JSON Schema that anything fits; give an object")),
    }
}

/// Says that a schema is of objects, where it says nothing of it.
fn of_type_object(schema: &mut Map<String, Value>) {
    schema.entry("type").or_insert_with(|| json!("object"));
}

/// A text as a literal of Lark, which is a string of JSON.
fn literal(text: &str) -> String {
    Value::from(text).to_string()
}

/// A mark as a regular expression between slashes.
fn pattern(mark: &str) -> String {
    mark.replace('/', r"\/")
}

#[cfg(test)]
mod tests;
