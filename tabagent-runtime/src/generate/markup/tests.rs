//! Texts with marks, whole, cut off and in parts.

use proptest::prelude::*;

use super::*;

const BOTH: Markup = Markup { thoughts: true, thinking: false, calls: true, leading: false };

/// The pieces of a text that comes in parts, texts and thoughts joined.
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
            | (Some(Piece::Thought(text)), Piece::Thought(more)) => {
                text.push_str(&more);
            }
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

fn text(text: &str) -> Piece {
    Piece::Text(text.to_owned())
}

fn call(name: &str, arguments: &str) -> Piece {
    Piece::Call { name: name.to_owned(), arguments: arguments.to_owned(), whole: true }
}

#[test]
fn a_call_that_was_cut_off_is_given_as_far_as_it_came() {
    let whole = "<tool_call>\n{\"name\": \"weather\", \"arguments\": {\"city\": \"Köln\", \"days\": [1, 2]}}\n</tool_call>";
    let arguments = "{\"city\": \"Köln\", \"days\": [1, 2]}";
    for (end, _) in whole.char_indices().skip(1) {
        let pieces = parse_to_end(BOTH, &[&whole[..end]], true);
        let named = whole[..end].contains("\"weather\"");
        match &pieces[..] {
            [] => assert!(!named, "{}", &whole[..end]),
            [Piece::Call { name, arguments: given, whole: done }] => {
                assert!(named && name == "weather" && arguments.starts_with(given.as_str()), "{given}");
                assert_eq!(*done, whole[..end].contains("]}}"));
                assert!(!*done || given == arguments);
            }
            other => panic!("{}: {other:?}", &whole[..end]),
        }
    }
    let cut = |written: &str| parse_to_end(BOTH, &[&format!("Well. <tool_call>{written}")], true);
    let begun = |arguments: &str| {
        let arguments = arguments.to_owned();
        vec![text("Well."), Piece::Call { name: "f".to_owned(), arguments, whole: false }]
    };
    assert_eq!(cut("{\"parameters\": {\"a\": 1}, \"name\": \"f\""), begun("{\"a\": 1}"));
    assert_eq!(cut("{\"arguments\": {\"a\": 1}, \"name\": \"f"), [text("Well.")]);
    // Arguments that are written as text.
    assert_eq!(cut("{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": \\u00"), begun("{\"a\": "));
    assert_eq!(cut("{\"name\": \"f\"}"), [text("Well."), call("f", "{}")]);
    assert_eq!(parse_to_end(BOTH, &["Well. <tool_"], true), [text("Well. ")]);
    assert_eq!(parse_to_end(BOTH, &["<think>So.</th"], true), [Piece::Thought("So.".to_owned())]);
    // A model that ends in the midst of a call wrote none.
    assert_eq!(parse(BOTH, &["<tool_call>{\"name\": \"f\", "]), [text("<tool_call>{\"name\": \"f\", ")]);
}

#[test]
fn thoughts_and_calls() {
    let whole = "<think>\nThe user wants Köln.\n</think>\n\nI shall look.\n<tool_call>\n{\"name\": \"weather\", \
                 \"arguments\": {\"city\": \"Köln\"}}\n</tool_call>\n<tool_call>\n{\"name\": \"now\"}\n</tool_call>";
    let expected = [
        Piece::Thought("The user wants Köln.".to_owned()),
        text("I shall look."),
        call("weather", "{\"city\": \"Köln\"}"),
        call("now", "{}"),
    ];
    assert_eq!(parse(BOTH, &[whole]), expected);
    let letters: Vec<String> = whole.chars().map(String::from).collect();
    assert_eq!(parse(BOTH, &letters.iter().map(String::as_str).collect::<Vec<_>>()), expected);
}

#[test]
fn what_is_no_call_is_text() {
    let broken = "<tool_call>{\"name\": </tool_call>";
    assert_eq!(parse(BOTH, &[broken]), [text(broken)]);
    assert_eq!(parse(BOTH, &["<tool_call>{\"name\""]), [text("<tool_call>{\"name\"")]);
    assert_eq!(parse(BOTH, &["1 < 2 <too"]), [text("1 < 2 <too")]);
    // A model without marks says what it says.
    let marked = "<think>a</think> <tool_call>{}</tool_call>";
    assert_eq!(parse(Markup::default(), &[marked]), [text(marked)]);
}

#[test]
fn a_prompt_that_ends_within_a_thought() {
    let thinking = Markup { thinking: true, ..BOTH };
    assert_eq!(
        parse(thinking, &["\nSo.", "</thi", "nk>\nYes"]),
        [Piece::Thought("So.".to_owned()), text("Yes")]
    );
}

#[test]
fn marks_within_an_answer_of_a_given_form_are_its_text() {
    let leading = Markup { leading: true, ..BOTH };
    let json = "{\"a\": \"<think>b</think><tool_call>c</tool_call>\"}";
    assert_eq!(parse(leading, &[json]), [text(json)]);
    assert_eq!(
        parse(leading, &["<thi", "nk>so</think>", " ", json]),
        [Piece::Thought("so".to_owned()), text(json)]
    );
    assert_eq!(parse(leading, &["<tool_call>{\"name\": \"f\"}</tool_call>"]), [call("f", "{}")]);
    // A thought that does not come first is none.
    assert_eq!(parse(BOTH, &["I <think> so"]), [text("I <think> so")]);
}

#[test]
fn arguments_are_as_they_were_written() {
    let arguments = "{\"a\":  1e999, \"b\": \"</tool_call> \\\" </tool_call>\"}";
    let written = format!("<tool_call>{{\"name\": \"f\", \"arguments\": {arguments}}}</tool_call>");
    assert_eq!(parse(BOTH, &[&written]), [call("f", arguments)]);
}

proptest! {
    /// However the text is cut, the same pieces come out.
    #[test]
    fn cuts_do_not_matter(
        parts in prop::collection::vec(
            prop::sample::select(vec!["<think>", "</think>", "<tool_call>", "</tool_call>", "{\"name\": \"f\"}", " ", "a", "é", "<", "\n"]),
            0..12,
        ),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let whole = parts.concat();
        let mut places: Vec<usize> = cuts
            .iter()
            .map(|cut| whole.floor_char_boundary(cut.index(whole.len() + 1)))
            .chain([0, whole.len()])
            .collect();
        places.sort_unstable();
        let cut: Vec<&str> = places.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
        prop_assert_eq!(parse(BOTH, &cut), parse(BOTH, &[&whole]));
    }
}
