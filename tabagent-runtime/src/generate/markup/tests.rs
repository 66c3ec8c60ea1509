//! Texts with marks, whole and cut off.

mod cuts;

use super::*;

const BOTH: Markup = Markup { thoughts: true, thinking: false, calls: true, leading: false };

/// The pieces of a text that comes in parts, those of one kind joined.
fn parse(markup: Markup, parts: &[&str]) -> Vec<Piece> {
    parse_to_end(markup, parts, false)
}

fn parse_to_end(markup: Markup, parts: &[&str], cut: bool) -> Vec<Piece> {
    let mut parser = MarkupParser::new(markup);
    let mut all: Vec<Piece> = parts.iter().flat_map(|part| parser.push(part, 1)).collect();
    all.extend(parser.finish(cut));
    let mut joined: Vec<Piece> = Vec::new();
    for piece in all {
        match (joined.last_mut(), piece) {
            (Some(Piece::Text(text)), Piece::Text(more))
            | (Some(Piece::Thought(text)), Piece::Thought(more))
            | (Some(Piece::Arguments(text)), Piece::Arguments(more)) => {
                assert!(!more.is_empty());
                text.push_str(&more);
            }
            (_, piece) => joined.push(piece),
        }
    }
    let mut open = false;
    for piece in &joined {
        match piece {
            Piece::CallBegun { name } => assert!(!std::mem::replace(&mut open, true) && !name.is_empty()),
            Piece::CallEnd { .. } => assert!(std::mem::replace(&mut open, false)),
            Piece::Arguments(_) => assert!(open),
            Piece::Text(_) | Piece::Thought(_) => assert!(!open),
        }
    }
    assert!(!open, "a call does not end");
    joined
}

fn text(text: &str) -> Vec<Piece> {
    vec![Piece::Text(text.to_owned())]
}

fn thought(text: &str) -> Vec<Piece> {
    vec![Piece::Thought(text.to_owned())]
}

fn called(name: &str, arguments: &str, whole: bool) -> Vec<Piece> {
    let mut pieces = vec![Piece::CallBegun { name: name.to_owned() }];
    give(&mut pieces, Piece::Arguments(arguments.to_owned()));
    pieces.push(Piece::CallEnd { whole });
    pieces
}

fn call(name: &str, arguments: &str) -> Vec<Piece> {
    called(name, arguments, true)
}

#[test]
fn thoughts_and_calls() {
    let whole = "<think>\nThe user wants Köln.\n</think>\n\nI shall look.\n<tool_call>\n{\"name\": \"weather\", \
                 \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\"}\n</tool_call>";
    let expected = [
        thought("The user wants Köln."),
        text("I shall look."),
        call("weather", "{\"city\": \"Köln\"}"),
        call("now", "{}"),
    ];
    assert_eq!(parse(BOTH, &[whole]), expected.concat());
}

/// What is known of a call is told at once.
#[test]
fn arguments_come_as_they_are_written() {
    let mut parser = MarkupParser::new(BOTH);
    let mut push = |text: &str| parser.push(text, 1);
    let begun = |name: &str| Piece::CallBegun { name: name.to_owned() };
    let part = |text: &str| Piece::Arguments(text.to_owned());
    assert_eq!(push("<tool_call>\n{\"name\": \"f\", \"arguments\": "), []);
    assert_eq!(push("{"), [begun("f"), part("{")]);
    assert_eq!(push("\"a\": \"b<"), [part("\"a\": \"b")]);
    assert_eq!(push("c\", "), [part("<c\", ")]);
    assert_eq!(push("\"d\": 1}"), [part("\"d\": 1}")]);
    assert_eq!(push("}\n</tool"), []);
    assert_eq!(push("_call>\n"), [Piece::CallEnd { whole: true }]);
    // They wait for the name, and for the end of the text that they are written in.
    assert_eq!(push("<tool_call>{\"arguments\": {\"a\": 1}, \"name\": \"g\""), []);
    assert_eq!(push(", "), [begun("g"), part("{\"a\": 1}")]);
    assert_eq!(push("\"more\": {}}</tool_call>"), [Piece::CallEnd { whole: true }]);
    assert_eq!(push("<tool_call>{\"name\": \"h\", \"parameters\": \"{}\""), []);
    assert_eq!(push("}"), [begun("h"), part("{}")]);
    assert_eq!(parser.finish(false), [Piece::CallEnd { whole: true }]);
}

#[test]
fn arguments_are_as_they_were_written() {
    let arguments = "{\"a\":  1e999, \"b\": \"</tool_call> \\\" </tool_call>\", \"c\": \"é<\"}";
    let written = format!("<tool_call>{{\"name\": \"f\", \"arguments\": {arguments}}}</tool_call>");
    assert_eq!(parse(BOTH, &[&written]), call("f", arguments));
    for (arguments, expected) in
        [("null", "{}"), ("\"{\\\"a\\\": 1}\"", "{\"a\": 1}"), ("[1, 2]", "[1, 2]"), ("12", "12")]
    {
        let written = format!("<tool_call>{{\"name\": \"f\", \"arguments\": {arguments} }}</tool_call>");
        assert_eq!(parse(BOTH, &[&written]), call("f", expected));
    }
}

#[test]
fn a_call_that_was_cut_off_is_given_as_far_as_it_came() {
    let whole = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": [1, 2]}}\n</tool_call>";
    let arguments = "{\"city\": \"Köln\", \"days\": [1, 2]}";
    for (end, _) in whole.char_indices().skip(1) {
        let written = &whole[..end];
        let given = written.find(": {").map_or("", |at| &written[at + 2..]);
        let given = if given.len() < arguments.len() { given } else { arguments };
        let expected = if written.contains("\"weather\"") {
            called("weather", given, written.contains("]}}"))
        } else {
            Vec::new()
        };
        assert_eq!(parse_to_end(BOTH, &[written], true), expected, "{written}");
    }
    let cut = |written: &str| parse_to_end(BOTH, &[&format!("Well. <tool_call>{written}")], true);
    let begun = |arguments: &str| [text("Well."), called("f", arguments, false)].concat();
    assert_eq!(cut("{\"parameters\": {\"a\": 1}, \"name\": \"f\""), begun("{\"a\": 1}"));
    assert_eq!(cut("{\"arguments\": {\"a\": 1}, \"name\": \"f"), text("Well."));
    assert_eq!(cut("{\"arguments\": {\"a\":"), text("Well."));
    // Arguments that are written as text, or are none.
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": \\u00"), begun("{\"a\": "));
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": \"{}\""), begun("{}"));
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": [{\"a\":"), begun("[{\"a\":"));
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": nul"), begun(""));
    assert_eq!(cut("{\"name\": \"f\"}"), [text("Well."), call("f", "{}")].concat());
    // What may be a mark is one, except within a string.
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": {\"a\": 1}</tool_"), begun("{\"a\": 1}"));
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_"), begun("{\"a\": \"</tool_"));
    assert_eq!(
        cut("{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_call>"),
        begun("{\"a\": \"</tool_call>")
    );
    assert_eq!(parse_to_end(BOTH, &["Well. <tool_"], true), text("Well. "));
    assert_eq!(parse_to_end(BOTH, &["<think>So.</th"], true), thought("So."));
}

#[test]
fn a_call_that_was_begun_stays_one_whatever_comes() {
    let parse =
        |written: &str| parse(BOTH, &[&format!("<tool_call>{{\"name\": \"f\", \"arguments\": {written}")]);
    let then = text("Then.");
    // Quotes within a string, an odd and an even number of them.
    assert_eq!(
        parse("{\"say\": \"a \"quoted\" word\"}}</tool_call> Then."),
        [call("f", "{\"say\": \"a \"quoted\" word\"}}"), then.clone()].concat()
    );
    assert_eq!(
        parse("{\"say\": \"a \"quote}}</tool_call> Then."),
        [call("f", "{\"say\": \"a \"quote}}"), then.clone()].concat()
    );
    // A quote is missing: the mark seems to be within the string.
    assert_eq!(
        parse("{\"city\": \"Oslo}}</tool_call>\n<tool_call>{\"name\": \"g\", \"arguments\": {}}</tool_call>"),
        [call("f", "{\"city\": \"Oslo}}"), call("g", "{}")].concat()
    );
    assert_eq!(
        parse("{\"city\": \"Oslo}}</tool_call> Then."),
        [call("f", "{\"city\": \"Oslo}}"), then.clone()].concat()
    );
    // A brace is missing, or too many.
    assert_eq!(parse("{\"a\": 1}</tool_call> Then."), [call("f", "{\"a\": 1}"), then.clone()].concat());
    assert_eq!(parse("{\"a\": [1</tool_call> Then."), [call("f", "{\"a\": [1"), then.clone()].concat());
    assert_eq!(parse("{\"a\": 1}}}\n</tool_call> Then."), [call("f", "{\"a\": 1}"), then.clone()].concat());
    assert_eq!(parse("{\"a\": 1} oops</tool_call> Then."), [call("f", "{\"a\": 1}"), then.clone()].concat());
    // The mark at the end is missing.
    assert_eq!(
        parse("{}}\n<tool_call>{\"name\": \"g\"}</tool_call>"),
        [call("f", "{}"), call("g", "{}")].concat()
    );
    assert_eq!(
        parse("{\"a\": \n<tool_call>{\"name\": \"g\"}</tool_call>"),
        [called("f", "{\"a\": \n", false), call("g", "{}")].concat()
    );
    assert_eq!(parse("{}}\nThen."), [call("f", "{}"), then].concat());
    // A model that ends in the midst of a call.
    assert_eq!(parse("{\"a\": \"b"), called("f", "{\"a\": \"b", false));
    assert_eq!(parse("{\"a\": 1}}"), call("f", "{\"a\": 1}"));
}

#[test]
fn what_is_no_call_is_text() {
    for none in [
        "<tool_call>{\"name\": </tool_call>",
        "<tool_call>{\"name\"",
        "<tool_call>{\"name\": \"f\", ",
        "Well.\n <tool_call>\n[\"f\", {}] </tool_call>  so",
        "<tool_call>{\"name\": \"\"}</tool_call>",
        "<tool_call>{\"name\": 1}</tool_call>",
        "<tool_call>{\"arguments\": {}}</tool_call>",
        "<tool_call>{\"arguments\": {\"a\": 01}, \"name\": \"f\"}</tool_call>",
        "<tool_call>{\"name\": \"f\": 1, \"arguments\": {}}</tool_call>",
        "<tool_call>{\"name\", \"arguments\": {}}</tool_call>",
        "<tool_call>{name: \"f\"}</tool_call>",
        "<tool_call>{}</tool_call>",
        "<tool_call></tool_call>",
        "1 < 2 <too",
    ] {
        assert_eq!(parse(BOTH, &[none]), text(none));
    }
    // What follows may be one.
    let lost = "<tool_call>{\"name\": \"f";
    let found = "<tool_call>{\"name\": \"g\"}</tool_call>";
    for between in ["\n", "</tool_call>\n"] {
        assert_eq!(
            parse(BOTH, &[&format!("{lost}\",{between}{found}")]),
            [text(&format!("{lost}\",{}", between.trim_end())), call("g", "{}")].concat()
        );
    }
    assert_eq!(
        parse(BOTH, &[&format!("{lost}</tool_call>\n{found}")]),
        [text(&format!("{lost}</tool_call>")), call("g", "{}")].concat()
    );
    // A model without marks says what it says.
    let marked = "<think>a</think> <tool_call>{}</tool_call>";
    assert_eq!(parse(Markup::default(), &[marked]), text(marked));
}

#[test]
fn a_prompt_that_ends_within_a_thought() {
    let thinking = Markup { thinking: true, ..BOTH };
    assert_eq!(parse(thinking, &["\nSo.", "</thi", "nk>\nYes"]), [thought("So."), text("Yes")].concat());
}

#[test]
fn marks_within_an_answer_of_a_given_form_are_its_text() {
    let leading = Markup { leading: true, ..BOTH };
    let json = "{\"a\": \"<think>b</think><tool_call>c</tool_call>\"}";
    assert_eq!(parse(leading, &[json]), text(json));
    assert_eq!(parse(leading, &["<thi", "nk>so</think>", " ", json]), [thought("so"), text(json)].concat());
    assert_eq!(parse(leading, &["<tool_call>{\"name\": \"f\"}</tool_call>"]), call("f", "{}"));
    // A thought that does not come first is none.
    assert_eq!(parse(BOTH, &["I <think> so"]), text("I <think> so"));
}
