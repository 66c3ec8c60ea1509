//! Answers from passages: a chat model is given what was found, and what it cites is held against that.

use std::time::Duration;

use serde_json::json;

use super::{super::Runtime, search::Passage};
use crate::{
    error::{BackendError, InvalidCause, Result},
    generate::{Conversation, GeneratePrompt, GenerateRequest, Generation, SamplingRequest},
};

/// Tokens of an answer, where the request does not say.
const TOKENS: usize = 512;
/// Tokens that an answer has to have room for, however many passages there are.
const ROOM: usize = 128;

/// What the model is told. It stands in the message of the user, since some templates know no other one.
const TASK: &str = "Answer the question from the passages below, and from nothing else. After each statement, name the \
    passages that it is from by their numbers, as [1] or [1][3]. Where the passages do not answer the question, say so.";

/// An answer that is asked for.
#[derive(Debug, Clone, Default)]
pub struct AnswerRequest {
    /// Id of the request, by which it can be stopped.
    pub id: String,
    /// Id of the chat model; the one that is selected where there is none.
    pub model: Option<String>,
    /// The question.
    pub question: String,
    /// Most tokens of the answer.
    pub max_tokens: Option<usize>,
    /// How tokens are chosen.
    pub sampling: SamplingRequest,
    /// When to give up.
    pub deadline: Option<Duration>,
}

/// An answer that has begun.
#[derive(Debug)]
pub struct PassageAnswer {
    /// What comes.
    pub generation: Generation,
    /// How many of the passages the model was given: the first ones, as many as it takes.
    pub used: usize,
}

impl Runtime {
    /// Begins to answer a question from passages, which are numbered from 1 on. Dropping what it returns stops the work.
    ///
    /// # Errors
    /// As [`Runtime::generate`]; [`BackendError::InvalidInput`] where the model takes not even one passage.
    pub async fn answer(&self, request: AnswerRequest, passages: &[Passage]) -> Result<PassageAnswer> {
        let most = request.max_tokens.unwrap_or(TOKENS);
        // All, else as many as have room, which is found by halves: each try reads them all.
        let (mut used, mut fits, mut beyond) = (passages.len(), 0, passages.len() + 1);
        loop {
            let asked = GenerateRequest {
                id: request.id.clone(),
                model: request.model.clone(),
                prompt: GeneratePrompt::Chat(conversation(&request.question, &passages[..used])),
                sampling: request.sampling.clone(),
                max_tokens: Some(most),
                constraint: None,
                stop: Vec::new(),
                ignore_end: false,
                choices: 1,
                logprobs: None,
                deadline: request.deadline,
            };
            match self.generate(asked).await {
                Ok(generation) => {
                    let room = generation.decoder.context.saturating_sub(generation.prompt_tokens);
                    if used > 1 && room < most.min(ROOM) {
                        (fits, beyond) = (fits.min(used - 1), used);
                    } else if used + 1 >= beyond {
                        return Ok(PassageAnswer { generation, used });
                    } else {
                        fits = used;
                    }
                }
                Err(BackendError::InvalidInput { cause: InvalidCause::ContextLength, .. }) if used > 1 => {
                    (fits, beyond) = (fits.min(used - 1), used);
                }
                Err(BackendError::InvalidInput { cause: InvalidCause::ContextLength, reason, .. }) => {
                    return Err(BackendError::context_length("query", format!("with its passage {reason}")));
                }
                Err(error) => return Err(error),
            }
            used = if fits + 1 >= beyond { fits } else { fits.midpoint(beyond) };
        }
    }
}

fn conversation(question: &str, passages: &[Passage]) -> Conversation {
    let mut text = TASK.to_owned();
    for (number, passage) in passages.iter().enumerate() {
        let headings = passage.chunk.headings.join(" > ");
        text.push_str(&format!("\n\n[{}] {headings}\n{}", number + 1, passage.chunk.text));
    }
    text.push_str(&format!("\n\nQuestion: {question}"));
    Conversation {
        messages: vec![json!({ "role": "user", "content": text })],
        add_generation_prompt: true,
        ..Conversation::default()
    }
}

/// The numbers in brackets that an answer cites, each once, in the order in which they come.
pub fn cited(answer: &str) -> Vec<usize> {
    let mut found = Vec::new();
    let mut rest = answer;
    while let Some(begin) = rest.find('[') {
        rest = &rest[begin + 1..];
        let Some(end) = rest.find(']') else { break };
        // `[1, 3]` is another way of writing it.
        let numbers: Option<Vec<usize>> = rest[..end]
            .split([',', ' '])
            .filter(|part| !part.is_empty())
            .map(|part| part.parse().ok())
            .collect();
        for number in numbers.unwrap_or_default() {
            if !found.contains(&number) {
                found.push(number);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn citations_are_numbers_in_brackets() {
        assert_eq!(cited("Cats sleep [2][1], dogs bark [1, 3] and [7 8]."), [2, 1, 3, 7, 8]);
        assert_eq!(cited("a[i] [x] [1"), [0; 0]);
        assert_eq!(cited("[[4]] [0] [99999999999999999999]"), [4, 0]);
    }
}
