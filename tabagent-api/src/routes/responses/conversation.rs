//! Items to the messages of a chat.

use std::collections::BTreeSet;

use super::items::{Item, ItemRole, ReasoningPart, SummaryPart};
use crate::routes::chat::{ChatContent, ChatMessage, FunctionCall, ToolCall, ToolKind};
use crate::routes::inference::InferenceError;

/// The messages of a conversation: instructions, what came before, and the input. In a session, what holds for all of it comes
/// first; `session` has the ids of the calls that are in there.
///
/// # Errors
/// [`InferenceError::Invalid`] where an output answers no call.
pub(super) fn messages(
    instructions: Option<&str>,
    earlier: &[Item],
    input: &[Item],
    session: Option<BTreeSet<&str>>,
) -> Result<Vec<ChatMessage>, InferenceError> {
    let in_session = session.is_some();
    let mut known = session.unwrap_or_default();
    known.extend(earlier.iter().chain(input).filter_map(|item| match item {
        Item::FunctionCall { call_id, .. } => Some(call_id.as_str()),
        _ => None,
    }));
    for (at, item) in input.iter().enumerate() {
        if let Item::FunctionCallOutput { call_id, .. } = item
            && !known.contains(call_id.as_str())
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
    let all = || earlier.iter().chain(input);
    let early = |item: &&Item| in_session && holds_for_all(item);
    all().filter(early).for_each(|item| messages.add(item));
    all().filter(|item| !early(item)).for_each(|item| messages.add(item));
    messages.close();
    Ok(messages.done)
}

fn holds_for_all(item: &Item) -> bool {
    matches!(item, Item::Message { role: ItemRole::System | ItemRole::Developer, .. })
}

/// What a response adds to a conversation.
pub(super) fn answer(output: &[Item]) -> Option<ChatMessage> {
    let mut messages = Messages::default();
    output.iter().for_each(|item| messages.add(item));
    messages.close();
    // All that the model says in one turn is one message.
    messages.done.pop()
}

#[derive(Default)]
struct Messages {
    done: Vec<ChatMessage>,
    /// What the assistant says, which may be several items.
    turn: Option<Turn>,
}

#[derive(Default)]
struct Turn {
    text: Vec<String>,
    thoughts: Vec<String>,
    calls: Vec<ToolCall>,
}

impl Messages {
    fn add(&mut self, item: &Item) {
        match item {
            Item::Message { role: ItemRole::Assistant, content, .. } => {
                self.turn().text.push(content.text());
            }
            Item::Message { role: ItemRole::User, content, .. } => {
                self.push(ChatMessage::User { content: ChatContent::Text(content.text()), name: None });
            }
            Item::Message { role: ItemRole::System | ItemRole::Developer, content, .. } => {
                self.system(content.text());
            }
            Item::FunctionCall { call_id, name, arguments, .. } => {
                let function = FunctionCall { name: name.clone(), arguments: arguments.clone() };
                let call = ToolCall { id: call_id.clone(), r#type: ToolKind::Function, function };
                self.turn().calls.push(call);
            }
            Item::FunctionCallOutput { call_id, output, .. } => {
                let content = ChatContent::Text(output.text());
                self.push(ChatMessage::Tool { content, tool_call_id: call_id.clone(), name: None });
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

    fn push(&mut self, message: ChatMessage) {
        self.close();
        self.done.push(message);
    }

    /// Adds to the system's message where it stands alone at the beginning: many templates take no second one.
    fn system(&mut self, text: String) {
        self.close();
        if let [ChatMessage::System { content: ChatContent::Text(before), .. }] = &mut self.done[..] {
            before.push_str("\n\n");
            before.push_str(&text);
            return;
        }
        self.done.push(ChatMessage::System { content: ChatContent::Text(text), name: None });
    }

    /// Ends what the assistant says.
    fn close(&mut self) {
        let Some(Turn { text, thoughts, calls }) = self.turn.take() else { return };
        self.done.push(ChatMessage::Assistant {
            content: Some(ChatContent::Text(text.join("\n"))),
            name: None,
            tool_calls: (!calls.is_empty()).then_some(calls),
            refusal: None,
            reasoning_content: (!thoughts.is_empty()).then(|| thoughts.join("\n")),
            annotations: None,
            audio: None,
            function_call: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn for_template(instructions: Option<&str>, earlier: &[Item], input: &[Item]) -> Value {
        let messages = messages(instructions, earlier, input, None).unwrap();
        messages.iter().map(ChatMessage::for_template).collect()
    }

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
            for_template(Some("Be brief."), &earlier, &input),
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
        let messages = for_template(Some("Be brief."), &[], &input);
        assert_eq!(messages[0]["content"], "Be brief.\n\nIn English.");
        assert_eq!((messages.as_array().unwrap().len(), &messages[2]["role"]), (3, &json!("system")));
    }

    #[test]
    fn in_a_session_there_is_one_message_of_the_system_and_it_comes_first() {
        let input = items(json!([
            { "type": "message", "role": "user", "content": "Hello" },
            { "type": "message", "role": "developer", "content": "In English." },
        ]));
        let messages = messages(Some("Be brief."), &[], &input, Some(BTreeSet::new())).unwrap();
        let messages: Vec<Value> = messages.iter().map(ChatMessage::for_template).collect();
        assert_eq!(
            messages,
            [
                json!({ "role": "system", "content": "Be brief.\n\nIn English." }),
                json!({ "role": "user", "content": "Hello" }),
            ]
        );
    }

    #[test]
    fn an_output_answers_a_call() {
        let output = items(json!([{ "type": "function_call_output", "call_id": "call_9", "output": "x" }]));
        let Err(InferenceError::Invalid { field, .. }) = messages(None, &[], &output, None) else {
            panic!("it is taken")
        };
        assert_eq!(field, "input[0].call_id");
        assert_eq!(messages(None, &[], &output, Some(BTreeSet::from(["call_9"]))).unwrap().len(), 1);
    }
}
