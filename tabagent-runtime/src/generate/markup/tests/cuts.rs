//! However an answer is cut into parts, the same pieces come out.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// Texts of all kinds: with calls that are whole, that are written in other ways, that are broken and that are none.
const TEXTS: [&str; 25] = [
    "<think>\nHm.\n</think>\n\nI look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": [1, \"é\"]}}\n</tool_call>",
    "<tool_call>{\"name\": \"f\"}</tool_call>\n<tool_call>\n{\"name\": \"g\", \"parameters\": {}}\n</tool_call> Done.",
    "<tool_call>{\"arguments\": {\"b\": {}}, \"id\": [1], \"name\": \"f\", \"more\": null}</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": \"{\\\"a\\\": 1}\"}</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": null}</tool_call><tool_call>{\"name\": \"f\", \"arguments\": [1]}",
    "<tool_call>{\"n\\u0061me\": \"\\\"f\", \"arguments\": {\"a\": \"</tool_call> \\\" <tool_call>\"}}</tool_call>!",
    // Not JSON from somewhere in the arguments on, or after them.
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"say\": \"a \"quoted\" word\"}}\n</tool_call> Then.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"say\": \"never \"ends}}\n</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"Oslo}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\", \
     \"arguments\": {\"a\": 1}}\n</tool_call>",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"city\": \"Oslo}}\n</tool_call> Then.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}</tool_call> Then.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {'a': 1}}</tool_call> Then.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1}} }\n</tool_call> Then.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": 1} oops</tool_call> Then.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": é</tool_call>",
    // Marks are missing.
    "<tool_call>{\"name\": \"f\", \"arguments\": {}}\n<tool_call>{\"name\": \"g\", \"arguments\": {}}\nThen.",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"<\"}} <too",
    "<tool_call>{\"name\": \"f\", \"arguments\": {\"a\": \"</tool_c",
    // No calls.
    "Look: <tool_call>{\"name\": </tool_call> and <tool_call> [\"f\", {}] </tool_call>",
    "<tool_call>{\"name\": \"f</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>",
    "<tool_call>{\"name\": \"\", \"arguments\": {}}</tool_call>",
    "<tool_call>{\"name\": 1}</tool_call> <tool_call>{\"arguments\": {}}</tool_call> <tool_call>{name: \"f\"}</tool_call>",
    "<tool_call>{\"arguments\": {1}, \"name\": \"f\"}</tool_call>",
    "<tool_call>\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n</tool_call>",
    "1 < 2 <tool <think> </tool_call> <",
];

/// However a text is cut into two, three or all its characters, the same pieces come out.
#[test]
fn every_cut_of_many_texts_gives_the_same_pieces() {
    for whole in TEXTS {
        for cut in [false, true] {
            let expected = parse_to_end(BOTH, &[whole], cut);
            let letters: Vec<String> = whole.chars().map(String::from).collect();
            let letters: Vec<&str> = letters.iter().map(String::as_str).collect();
            assert_eq!(parse_to_end(BOTH, &letters, cut), expected);
            let places: Vec<usize> = whole.char_indices().map(|(at, _)| at).collect();
            for (first, &from) in places.iter().enumerate() {
                for &to in &places[first..] {
                    let parts = [&whole[..from], &whole[from..to], &whole[to..]];
                    assert_eq!(parse_to_end(BOTH, &parts, cut), expected, "{parts:?}");
                }
            }
        }
    }
}

/// In every way: the heart of a call, short enough for that.
#[test]
fn every_way_to_cut_a_short_text_gives_the_same_pieces() {
    let head = "<tool_call>{\"name\":\"f\",\"arguments\":";
    for tail in ["{\"a\":\"<\\\"\"}}</", "{\"a\"b<}</tool_", "{\"</tool_call>", "{}}<tool_call>"] {
        let whole = [head, tail].concat();
        let expected = parse(BOTH, &[&whole]);
        for ways in 0_u32..1 << tail.len() {
            let mut parts = vec![head];
            let mut from = 0;
            for to in 1..=tail.len() {
                if to == tail.len() || ways & (1 << to) != 0 {
                    parts.push(&tail[from..to]);
                    from = to;
                }
            }
            assert_eq!(parse(BOTH, &parts), expected, "{parts:?}");
        }
    }
}

/// Each character is looked at once, or this would not end.
#[test]
fn long_arguments_are_read_once() {
    let arguments = format!("{{\"text\": \"{}\"}}", "a <tool_call> </tool_call> ".repeat(20_000));
    let written = format!("<tool_call>{{\"name\": \"f\", \"arguments\": {arguments}}}</tool_call>");
    let mut parser = MarkupParser::new(BOTH);
    let mut pieces = Vec::new();
    let mut letter = [0; 4];
    for c in written.chars() {
        pieces.extend(parser.push(c.encode_utf8(&mut letter), 1));
    }
    let told: String = pieces
        .iter()
        .filter_map(|piece| match piece {
            Piece::Arguments(part) => Some(part.as_str()),
            _ => None,
        })
        .collect();
    assert!(told == arguments && pieces.last() == Some(&Piece::CallEnd { whole: true }));
}

/// JSON values, the arguments of a call.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<i32>().prop_map(Value::from),
        "[a\"\\\\<>é☂\n{}]{0,6}|</?tool_call>".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a\"<é]{0,3}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Cuts a text at some places.
fn parts<'a>(whole: &'a str, cuts: &[prop::sample::Index]) -> Vec<&'a str> {
    let cuts = cuts.iter().map(|cut| whole.floor_char_boundary(cut.index(whole.len() + 1)));
    let mut places: Vec<usize> = cuts.chain([0, whole.len()]).collect();
    places.sort_unstable();
    places.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect()
}

fn cuts() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..8)
}

proptest! {
    /// However the text is cut, the same pieces come out.
    #[test]
    fn cuts_do_not_matter(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "<think>", "</think>", "<tool_call>", "</tool_call>", "{\"name\": \"f\"}", "{\"name\": \"f\", ", "\"arguments\": ",
                "{", "}", "[", "\"", "\\", ":", ",", "1", " ", "a", "é", "<", "\n",
            ]),
            0..16,
        ),
        cuts in cuts(),
        cut in any::<bool>(),
    ) {
        let whole = words.concat();
        prop_assert_eq!(parse_to_end(BOTH, &parts(&whole, &cuts), cut), parse_to_end(BOTH, &[&whole], cut));
    }

    /// What another program writes as a call is one, with its arguments to the letter.
    #[test]
    fn calls_are_those_that_were_written(
        name in "[a-z\"\\\\é<]{1,5}",
        members in prop::collection::btree_map("[a\"<é]{0,3}", json(), 0..4),
        spaced in any::<bool>(),
        first in any::<bool>(),
        cuts in cuts(),
    ) {
        let write = if spaced { serde_json::to_string_pretty } else { serde_json::to_string };
        let arguments = write(&Value::Object(members.into_iter().collect())).unwrap();
        let name_text = serde_json::to_string(&name).unwrap();
        let body = if first {
            format!("{{\"arguments\": {arguments}, \"name\": {name_text}}}")
        } else {
            format!("{{\"name\": {name_text}, \"arguments\": {arguments}}}")
        };
        let whole = format!("So.\n<tool_call>\n{body}\n</tool_call>\n<tool_call>{body}</tool_call>");
        let call = call(&name, &arguments);
        prop_assert_eq!(parse(BOTH, &parts(&whole, &cuts)), [text("So."), call.clone(), call].concat());
    }
}
