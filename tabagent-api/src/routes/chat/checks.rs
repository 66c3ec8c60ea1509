//! What the cases of POST /v1/chat/completions look for in an answer.

use serde_json::Value;

use super::{AnswerRole, Body, ChatChoice, FunctionCall, FunctionCallDelta, ToolCallDelta};
use crate::routes::generation::EndReason;
use crate::stream::JsonOrEvents;

pub(super) fn is_one_answer(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Json(completion) = body else { return Err("a stream".to_owned()) };
    let [choice] = &completion.choices[..] else { return Err("not one answer".to_owned()) };
    let usage = completion.usage;
    if choice.message.content.as_deref().is_none_or(str::is_empty) || choice.logprobs.is_some() {
        return Err(format!("{choice:?}"));
    }
    if usage.prompt_tokens == 0 || usage.total_tokens != usage.prompt_tokens + usage.completion_tokens {
        return Err(format!("{usage:?}"));
    }
    Ok(())
}

/// A text, or whole calls of a tool: which of them, the model chooses.
pub(super) fn answers_or_calls(body: &Body) -> Result<(), String> {
    let choice = answer(body)?;
    let text = choice.message.content.as_deref().unwrap_or_default();
    let calls = choice.message.tool_calls.as_deref().unwrap_or_default();
    let are_whole = calls.iter().all(|call| {
        serde_json::from_str::<Value>(&call.function.arguments).is_ok_and(|arguments| arguments.is_object())
    });
    let is_right = if calls.is_empty() { !text.is_empty() } else { are_whole };
    if is_right { Ok(()) } else { Err(format!("{choice:?}")) }
}

pub(super) fn is_a_whole_stream(body: &Body) -> Result<(), String> {
    let JsonOrEvents::Events(chunks) = body else { return Err("not a stream".to_owned()) };
    let [first, middle @ .., last] = &chunks[..] else { return Err("fewer than two chunks".to_owned()) };
    if first.choices.first().and_then(|choice| choice.delta.role) != Some(AnswerRole::Assistant) {
        return Err("the first chunk has no role".to_owned());
    }
    let ends = middle.iter().flat_map(|chunk| &chunk.choices).filter(|choice| choice.finish_reason.is_some());
    if ends.count() != 1 || !last.choices.is_empty() || last.usage.flatten().is_none() {
        return Err("the end, or the usage after it, is not told once".to_owned());
    }
    if chunks.iter().any(|chunk| chunk.id != first.id || chunk.created != first.created) {
        return Err("chunks differ in their id".to_owned());
    }
    Ok(())
}

pub(super) fn has_two_answers_with_logprobs(body: &Body) -> bool {
    let JsonOrEvents::Json(completion) = body else { return false };
    completion.choices.len() == 2
        && completion.choices.iter().all(|choice| {
            let tokens = choice.logprobs.as_ref().and_then(|logprobs| logprobs.content.as_ref());
            tokens.is_some_and(|tokens| {
                !tokens.is_empty() && tokens.iter().all(|token| token.top_logprobs.len() == 2)
            })
        })
}

/// The only answer.
fn answer(body: &Body) -> Result<&ChatChoice, String> {
    let JsonOrEvents::Json(completion) = body else { return Err("a stream".to_owned()) };
    match &completion.choices[..] {
        [choice] => Ok(choice),
        _ => Err("not one answer".to_owned()),
    }
}

/// The text of the only answer in a stream, its calls, and why it ended.
fn streamed(body: &Body) -> Result<(String, Vec<FunctionCall>, Option<EndReason>), String> {
    let JsonOrEvents::Events(chunks) = body else { return Err("not a stream".to_owned()) };
    let (mut text, mut calls, mut reason) = (String::new(), Vec::new(), None);
    for choice in chunks.iter().flat_map(|chunk| &chunk.choices) {
        text.push_str(choice.delta.content.as_deref().unwrap_or_default());
        for call in choice.delta.tool_calls.iter().flatten() {
            take(&mut calls, call)?;
        }
        reason = reason.or(choice.finish_reason);
    }
    Ok((text, calls, reason))
}

/// Adds a part of a call: the first one names it, the others have parts of its arguments.
fn take(calls: &mut Vec<FunctionCall>, part: &ToolCallDelta) -> Result<(), String> {
    let begins = part.index == calls.len();
    let FunctionCallDelta { name, arguments } = &part.function;
    if part.id.is_some() != begins || part.r#type.is_some() != begins || arguments.is_empty() != begins {
        return Err(format!("{part:?}"));
    }
    match (name, calls.get_mut(part.index)) {
        (Some(name), None) if begins => {
            calls.push(FunctionCall { name: name.clone(), arguments: String::new() });
        }
        (None, Some(call)) => call.arguments.push_str(arguments),
        _ => return Err(format!("{part:?}")),
    }
    Ok(())
}

/// Whether the text of the only answer is as it should be.
pub(super) fn says(body: &Body, expected: fn(&str) -> bool) -> Result<(), String> {
    let choice = answer(body)?;
    match &choice.message.content {
        Some(text) if expected(text) && choice.message.tool_calls.is_none() => Ok(()),
        _ => Err(format!("{choice:?}")),
    }
}

fn is_port(text: &str) -> bool {
    serde_json::from_str::<Value>(text).is_ok_and(|value| {
        value.as_object().is_some_and(|fields| fields.len() == 2)
            && value["port"].as_u64().is_some_and(|port| (1..=65535).contains(&port))
            && value["sure"].is_boolean()
    })
}

pub(super) fn tells_a_port(body: &Body) -> Result<(), String> {
    says(body, is_port)
}

pub(super) fn streams_a_port(body: &Body) -> Result<(), String> {
    match streamed(body)? {
        (text, calls, Some(EndReason::Stop)) if is_port(&text) && calls.is_empty() => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

fn is_weather(call: &FunctionCall) -> bool {
    serde_json::from_str::<Value>(&call.arguments).is_ok_and(|value| {
        call.name == "weather"
            && value.as_object().is_some_and(|fields| fields.len() == 2)
            && matches!(value["city"].as_str(), Some("Oslo" | "Rome"))
            && value["days"].as_u64().is_some_and(|days| (1..=9).contains(&days))
    })
}

fn calls(body: &Body, expected: EndReason) -> Result<(), String> {
    let choice = answer(body)?;
    match choice.message.tool_calls.as_deref() {
        Some([call])
            if is_weather(&call.function)
                && choice.message.content.is_none()
                && choice.finish_reason == expected =>
        {
            Ok(())
        }
        _ => Err(format!("{choice:?}")),
    }
}

pub(super) fn begins_a_call(body: &Body) -> Result<(), String> {
    let choice = answer(body)?;
    match choice.message.tool_calls.as_deref() {
        Some([call])
            if call.function.name == "weather"
                && call.function.arguments.starts_with('{')
                && serde_json::from_str::<Value>(&call.function.arguments).is_err()
                && choice.message.content.is_none()
                && choice.finish_reason == EndReason::Length =>
        {
            Ok(())
        }
        _ => Err(format!("{choice:?}")),
    }
}

pub(super) fn calls_the_weather(body: &Body) -> Result<(), String> {
    calls(body, EndReason::ToolCalls)
}

pub(super) fn calls_the_weather_by_name(body: &Body) -> Result<(), String> {
    calls(body, EndReason::Stop)
}

pub(super) fn streams_the_weather(body: &Body) -> Result<(), String> {
    if let JsonOrEvents::Events(chunks) = body {
        let choices = chunks.iter().flat_map(|chunk| &chunk.choices);
        if choices.filter(|choice| choice.delta.tool_calls.is_some()).count() < 3 {
            return Err("the arguments came at once".to_owned());
        }
    }
    match streamed(body)? {
        (text, calls, Some(EndReason::ToolCalls))
            if text.is_empty() && matches!(&calls[..], [call] if is_weather(call)) =>
        {
            Ok(())
        }
        other => Err(format!("{other:?}")),
    }
}
