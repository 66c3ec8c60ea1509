//! Which texts the grammars take, byte by byte.

use std::sync::Arc;

use llguidance::{ParserFactory, toktrie::ApproximateTokEnv};

use super::*;
use crate::generate::constraint::{Allowed, CallableTool, Guide};

/// How far a text is taken, and whether the answer may end there.
fn take(constraint: &Constraint, thoughts: Thoughts, text: &str) -> (usize, bool) {
    let mut factory = ParserFactory::new_simple(&ApproximateTokEnv::single_byte_env()).unwrap();
    factory.quiet();
    let parser = factory.create_parser(of(constraint, thoughts).unwrap()).unwrap();
    let end = parser.token_env.tok_trie().eos_token();
    let mut guide = Guide::new(parser, Arc::from([end]), "field");
    let may_come = |guide: &mut Guide, token: u32| match guide.allowed(true).unwrap() {
        Allowed::Tokens(tokens) => tokens.is_allowed(token),
        Allowed::Complete => token == end,
    };
    for (at, byte) in text.bytes().enumerate() {
        if !may_come(&mut guide, byte.into()) {
            return (at, false);
        }
        guide.accept(byte.into()).unwrap();
    }
    (text.len(), may_come(&mut guide, end))
}

#[track_caller]
fn whole(constraint: &Constraint, thoughts: Thoughts, text: &str) {
    assert_eq!(take(constraint, thoughts, text), (text.len(), true), "{text}");
}

/// Asserts that a text is taken up to `mark` and no further.
#[track_caller]
fn until(constraint: &Constraint, thoughts: Thoughts, text: &str, end: usize) {
    assert_eq!(take(constraint, thoughts, text), (end, false), "{text}");
}

fn tool(name: &str, parameters: Value) -> CallableTool {
    let field = format!("tools.{name}");
    CallableTool { field, name: name.to_owned(), parameters: Some(parameters), strict: true }
}

fn calls(required: bool, parallel: bool) -> Constraint {
    let tools = vec![
        tool(
            "f",
            json!({ "properties": { "x": { "$ref": "#/$defs/n" } }, "required": ["x"], "additionalProperties": false,
            "$defs": { "n": { "type": "integer" } } }),
        ),
        tool(
            "say \"it\"",
            json!({ "type": "object", "properties": { "y": { "type": "string" } }, "additionalProperties": false }),
        ),
    ];
    Constraint { text: None, calls: Some(CallConstraint { tools, required, parallel }) }
}

fn text(form: TextForm) -> Constraint {
    Constraint { text: Some(TextConstraint { field: "text".to_owned(), form }), calls: None }
}

const ONE: &str = "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}\n</tool_call>";
const OTHER: &str =
    "<tool_call>\n{\"name\": \"say \\\"it\\\"\", \"arguments\": {\"y\": \"</tool_call>\"}}\n</tool_call>";

#[test]
fn calls_that_are_required() {
    let (one, many) = (calls(true, false), calls(true, true));
    let both = format!("{OTHER}\n{ONE}");
    whole(&one, Thoughts::None, ONE);
    whole(&many, Thoughts::None, &both);
    until(&one, Thoughts::None, &both, OTHER.len());
    until(&one, Thoughts::None, "Hello", 0);
    until(&one, Thoughts::None, "<tool_call>\n{\"name\": \"g\"", 22);
    until(&one, Thoughts::None, &ONE.replace("\"x\": 1", "\"x\": \"1"), ONE.find('1').unwrap());
    assert_eq!(take(&one, Thoughts::None, ""), (0, false));
    let bare = CallableTool { parameters: None, ..tool("f", Value::Null) };
    let bare = Constraint {
        text: None,
        calls: Some(CallConstraint { tools: vec![bare], required: true, parallel: false }),
    };
    whole(&bare, Thoughts::None, &ONE.replace("{\"x\": 1}", "{}"));
    until(&bare, Thoughts::None, ONE, ONE.find("\"x").unwrap());
}

#[test]
fn calls_that_are_not_required() {
    let (one, many) = (calls(false, false), calls(false, true));
    for free in ["", "Hello <tool", "{\"name\": 1}", "a </tool_call>"] {
        whole(&one, Thoughts::None, free);
    }
    whole(&one, Thoughts::None, &format!("I shall look.\n{ONE}"));
    whole(&many, Thoughts::None, &format!("I shall look.\n{ONE}\n{OTHER}"));
    let twice = format!("{ONE}\n{ONE}");
    until(&one, Thoughts::None, &twice, ONE.len());
    until(&many, Thoughts::None, "Hello <tool_call>x", "Hello <tool_call>".len());
}

#[test]
fn thoughts_come_before() {
    let json = text(TextForm::JsonObject);
    let thought = "<think>\nIs {it} a <tool_call>x?\n</think>\n\n";
    whole(&json, Thoughts::Possible, "{\"a\": [1, null]}");
    whole(&json, Thoughts::Possible, &format!("{thought}{{}}"));
    whole(&json, Thoughts::Begun, "So it is.</think>{}");
    until(&json, Thoughts::Begun, "So it is.</think>no", "So it is.</think>".len());
    until(&json, Thoughts::None, thought, 0);
    for constraint in [calls(true, true), calls(false, true)] {
        whole(&constraint, Thoughts::Possible, &format!("{thought}{ONE}"));
        whole(&constraint, Thoughts::Possible, ONE);
        whole(&constraint, Thoughts::Begun, &format!("<tool_call>?</think>\n{ONE}"));
    }
    whole(&calls(false, false), Thoughts::Possible, &format!("{thought}Hello"));
    until(&calls(false, false), Thoughts::Possible, &format!("{thought}<tool_call>x"), thought.len() + 11);
    for (form, answer) in [
        (TextForm::Regex("a+/[/]\\/b?".to_owned()), "aa///"),
        (TextForm::Choice(vec!["yes \"\n".to_owned(), "no".to_owned()]), "yes \"\n"),
        (TextForm::Lark("start: \"a\" B\nB: /[0-9]/".to_owned()), "a1"),
    ] {
        whole(&text(form.clone()), Thoughts::None, answer);
        whole(&text(form), Thoughts::Possible, &format!("{thought}{answer}"));
    }
}

#[test]
fn a_text_of_a_form_or_calls() {
    let schema = json!({ "type": "object", "properties": { "a": { "type": "integer" } }, "required": ["a"] });
    let either =
        Constraint { calls: calls(false, true).calls, ..text(TextForm::JsonSchema { schema, strict: true }) };
    whole(&either, Thoughts::None, "{\"a\": 1}");
    whole(&either, Thoughts::None, &format!("{ONE}\n{ONE}"));
    whole(&either, Thoughts::Possible, &format!("<think>?</think>{ONE}"));
    whole(&either, Thoughts::Possible, "<think>?</think>{\n  \"a\": 1\n}");
    until(&either, Thoughts::None, "Hello", 0);
}

#[test]
fn options_of_llguidance_are_ours_alone() {
    let schema = json!({ "type": "array", "items": { "const": 1 }, "x-guidance": { "item_separator": ";" } });
    let array = text(TextForm::JsonSchema { schema, strict: true });
    whole(&array, Thoughts::None, "[1,\n    1]");
    until(&array, Thoughts::None, "[1;1]", 2);
    // Blanks without end are what a model writes that is lost.
    until(&array, Thoughts::None, "[  ", 2);
}
