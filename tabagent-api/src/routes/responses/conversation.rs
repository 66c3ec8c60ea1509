//! Items to the messages that chat templates take.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::items::{Item, ItemRole, ReasoningPart, SummaryPart};
use crate::routes::chat::{FunctionCall, ToolCall, ToolKind};
use crate::routes::inference::InferenceError;

/// The messages of a conversation: instructions, what came before, and the input.
///
/// # Errors
/// [`InferenceError::Invalid`] where an output answers no call.
pub(super) fn messages(
    instructions: Option<&str>,
    earlier: &[Item],
    input: &[Item],
) -> Result<Vec<Value>, InferenceError> {
    let calls: BTreeSet<&str> = earlier
        .iter()
        .chain(input)
        .filter_map(|item| match item {
            Item::FunctionCall { call_id, .. } => Some(call_id.as_str()),
            _ => None,
        })
        .collect();
    for (at, item) in input.iter().enumerate() {
        if let Item::FunctionCallOutput { call_id, .. } = item
            && !calls.contains(call_id.as_str())
        {
            return Err(InferenceError::invalid(
                format!("input[{at}].call_id"),
                format!(
                    "no call `{call_id}` is in the conversation; send its item `function_call` too, or \
                     `previous_response_id`"
                ),
            ));
        }
    }
    let mut messages = Messages::default();
    if let Some(instructions) = instructions {
        messages.system(instructions.to_owned());
    }
    for item in earlier.iter().chain(input) {
        messages.add(item);
    }
    messages.close();
    Ok(messages.done)
}

#[derive(Default)]
struct Messages {
    done: Vec<Value>,
    /// What the assistant says, which may be several items.
    turn: Option<Turn>,
}

#[derive(Default)]
struct Turn {
    text: Vec<String>,
    thoughts: Vec<String>,
    calls: Vec<Value>,
}

impl Messages {
    fn add(&mut self, item: &Item) {
        match item {
            Item::Message { role: ItemRole::Assistant, content, .. } => {
                self.turn().text.push(content.text());
            }
            Item::Message { role: ItemRole::User, content, .. } => {
                self.push(json!({ "role": "user", "content": content.text() }));
            }
            Item::Message { role: ItemRole::System | ItemRole::Developer, content, .. } => {
                self.system(content.text());
            }
            Item::FunctionCall { call_id, name, arguments, .. } => {
                let function = FunctionCall { name: name.clone(), arguments: arguments.clone() };
                let call = ToolCall { id: call_id.clone(), r#type: ToolKind::Function, function };
                self.turn().calls.push(call.for_template());
            }
            Item::FunctionCallOutput { call_id, output, .. } => {
                self.push(json!({ "role": "tool", "content": output.text(), "tool_call_id": call_id }));
            }
            Item::Reasoning { summary, content, .. } => {
                let whole = content.iter().flatten().map(|ReasoningPart::ReasoningText { text }| text);
                let short = summary.iter().map(|SummaryPart::SummaryText { text }| text);
                let thoughts: Vec<String> = if content.as_ref().is_some_and(|parts| !parts.is_empty()) {
                    whole.cloned().collect()
                } else {
                    short.cloned().collect()
                };
                self.turn().thoughts.extend(thoughts);
            }
        }
    }

    fn turn(&mut self) -> &mut Turn {
        self.turn.get_or_insert_with(Turn::default)
    }

    fn push(&mut self, message: Value) {
        self.close();
        self.done.push(message);
    }

    /// Adds to the system's message where it stands alone at the beginning: many templates take no second one.
    fn system(&mut self, text: String) {
        self.close();
        if let [only] = &mut self.done[..]
            && only["role"] == "system"
        {
            let before = only["content"].as_str().unwrap_or_default();
            only["content"] = json!(format!("{before}\n\n{text}"));
            return;
        }
        self.done.push(json!({ "role": "system", "content": text }));
    }

    /// Ends what the assistant says.
    fn close(&mut self) {
        let Some(Turn { text, thoughts, calls }) = self.turn.take() else { return };
        let mut message = Map::new();
        message.insert("role".to_owned(), json!("assistant"));
        message.insert("content".to_owned(), json!(text.join("\n")));
        if !thoughts.is_empty() {
            message.insert("reasoning_content".to_owned(), json!(thoughts.join("\n")));
        }
        if !calls.is_empty() {
            message.insert("tool_calls".to_owned(), Value::Array(calls));
        }
        self.done.push(Value::Object(message));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(items: Value) -> Vec<Item> {
        serde_json::from_value(items).unwrap()
    }

    #[test]
    fn items_of_one_turn_are_one_message_of_the_assistant() {
        let earlier = items(json!([
            { "type": "message", "role": "user", "content": "Is it warm in Köln?" },
            { "type": "reasoning", "content": [{ "type": "reasoning_text", "text": "I must look." }] },
            { "type": "message", "role": "assistant", "content": [{ "type": "output_text", "text": "I look." }] },
            { "type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{\"city\":\"Köln\"}" },
            { "type": "function_call", "call_id": "call_2", "name": "now", "arguments": "" },
        ]));
        let input = items(json!([
            { "type": "function_call_output", "call_id": "call_1", "output": "21 degrees" },
            { "type": "function_call_output", "call_id": "call_2", "output": [{ "type": "input_text", "text": "noon" }] },
            { "type": "message", "role": "user", "content": "And?" },
        ]));
        assert_eq!(
            Value::Array(messages(Some("Be brief."), &earlier, &input).unwrap()),
            json!([
                { "role": "system", "content": "Be brief." },
                { "role": "user", "content": "Is it warm in Köln?" },
                {
                    "role": "assistant", "content": "I look.", "reasoning_content": "I must look.",
                    "tool_calls": [
                        { "id": "call_1", "type": "function", "function": { "name": "weather", "arguments": { "city": "Köln" } } },
                        { "id": "call_2", "type": "function", "function": { "name": "now", "arguments": "" } },
                    ],
                },
                { "role": "tool", "content": "21 degrees", "tool_call_id": "call_1" },
                { "role": "tool", "content": "noon", "tool_call_id": "call_2" },
                { "role": "user", "content": "And?" },
            ])
        );
    }

    #[test]
    fn instructions_and_the_systems_message_are_one() {
        let input = items(json!([
            { "type": "message", "role": "developer", "content": "In English." },
            { "type": "message", "role": "user", "content": "Hello" },
            { "type": "message", "role": "system", "content": "In French now." },
        ]));
        let messages = messages(Some("Be brief."), &[], &input).unwrap();
        assert_eq!(messages[0]["content"], "Be brief.\n\nIn English.");
        assert_eq!((messages.len(), &messages[2]["role"]), (3, &json!("system")));
    }

    #[test]
    fn an_output_answers_a_call() {
        let output = items(json!([{ "type": "function_call_output", "call_id": "call_9", "output": "x" }]));
        let Err(InferenceError::Invalid { field, .. }) = messages(None, &[], &output) else {
            panic!("it is taken")
        };
        assert_eq!(field, "input[0].call_id");
    }
}
