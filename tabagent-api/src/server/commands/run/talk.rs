//! A conversation with a model: what was said, and the next answer.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use tabagent_runtime::{
    BackendError, Conversation, FinishReason, GeneratePrompt, GenerateRequest, GenerationEvent, MarkupParser,
    Piece, Runtime,
};

use super::input::Settings;
use crate::routes::chat::{AnswerMessage, ChatContent, ChatMessage};
use crate::routes::sessions::{Turn, explain};

/// A conversation.
#[derive(Debug)]
pub(super) struct Talk {
    pub(super) model: String,
    pub(super) system: Option<String>,
    pub(super) settings: Settings,
    /// Id of the session that it is, where it is one.
    pub(super) session: Option<String>,
    /// How many of its last messages are read; all where there is none.
    history_limit: Option<u32>,
    /// Questions and answers by turns, as chat templates take them.
    turns: Vec<Value>,
    /// What the last answer took.
    pub(super) last: Option<Figures>,
}

/// What an answer took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Figures {
    pub(super) prompt_tokens: usize,
    pub(super) cached_tokens: usize,
    pub(super) tokens: usize,
    /// Until the first text came.
    pub(super) first: Duration,
    pub(super) whole: Duration,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The model ended it.
    Whole,
    /// It reached the most tokens, or the end of the context.
    Cut,
    /// The user stopped it.
    Stopped,
}

impl Talk {
    pub(super) fn new(model: String, system: Option<String>, settings: Settings) -> Self {
        Self { model, system, settings, session: None, history_limit: None, turns: Vec::new(), last: None }
    }

    /// Goes on with a session, or with its last messages.
    ///
    /// # Errors
    /// Those of the store.
    pub(super) async fn go_on(
        &mut self,
        runtime: &Runtime,
        session: String,
        history_limit: Option<u32>,
    ) -> Result<(), BackendError> {
        self.turns = Turn::begin(runtime, session.clone(), history_limit).await?.so_far();
        self.history_limit = history_limit;
        self.session = Some(session);
        Ok(())
    }

    /// Everything that was said, what the model is told first included.
    pub(super) fn messages(&self) -> Vec<Value> {
        let system = self.system.iter().map(|text| json!({ "role": "system", "content": text }));
        system.chain(self.turns.iter().cloned()).collect()
    }

    pub(super) fn clear(&mut self) {
        self.turns.clear();
    }

    /// Takes the last question and its answer back, and gives the question; `None` where nothing was asked.
    pub(super) fn undo(&mut self) -> Option<String> {
        let asked = self.turns.iter().rposition(|turn| turn["role"] == "user")?;
        let question = self.turns[asked]["content"].as_str().map(str::to_owned);
        self.turns.truncate(asked);
        question
    }

    /// Asks, and hands every piece of the answer on as it comes. What `stop` ends stays in the conversation as far as it
    /// came, and not in a session; a question that fails is taken back.
    ///
    /// # Errors
    /// Those of [`Runtime::generate`].
    pub(super) async fn ask(
        &mut self,
        runtime: &Runtime,
        question: String,
        stop: impl Future<Output = ()>,
        tell: impl FnMut(&Piece),
    ) -> Result<End, BackendError> {
        let before = self.turns.len();
        self.turns.push(json!({ "role": "user", "content": question }));
        let outcome = self.answer(runtime, question, stop, tell).await;
        let left_out = matches!(outcome, Ok(End::Stopped)) && self.session.is_some();
        if outcome.is_err() || left_out {
            self.turns.truncate(before);
        }
        outcome
    }

    async fn answer(
        &mut self,
        runtime: &Runtime,
        question: String,
        stop: impl Future<Output = ()>,
        mut tell: impl FnMut(&Piece),
    ) -> Result<End, BackendError> {
        let begun = Instant::now();
        let mut turn = match &self.session {
            Some(session) => Some(Turn::begin(runtime, session.clone(), self.history_limit).await?),
            None => None,
        };
        let messages = match &mut turn {
            Some(turn) => {
                let plain = |text| (ChatContent::Text(text), None);
                let system = self.system.clone().map(plain);
                let system = system.map(|(content, name)| ChatMessage::System { content, name });
                let (content, name) = plain(question);
                turn.ask(system.into_iter().chain([ChatMessage::User { content, name }]).collect())?
            }
            None => self.messages(),
        };
        let mut request = GenerateRequest {
            id: "run".to_owned(),
            model: Some(self.model.clone()),
            prompt: GeneratePrompt::Chat(Conversation {
                messages,
                tools: Vec::new(),
                add_generation_prompt: true,
                variables: Map::new(),
                now: None,
            }),
            sampling: self.settings.sampling.clone(),
            max_tokens: self.settings.max_tokens,
            constraint: None,
            stop: Vec::new(),
            ignore_end: false,
            choices: 1,
            logprobs: None,
            deadline: None,
        };
        if let Some(turn) = &turn {
            turn.complete(&mut request);
        }
        let mut stop = std::pin::pin!(stop);
        let mut generation = tokio::select! {
            generation = runtime.generate(request) => match generation {
                Err(error) if turn.is_some() => return Err(explain(error)),
                generation => generation?,
            },
            () = &mut stop => {
                // Nothing was answered: the question is as if it had not been asked.
                self.turns.pop();
                return Ok(End::Stopped);
            }
        };
        let mut parser = MarkupParser::new(generation.markup);
        let (mut text, mut thoughts) = (String::new(), String::new());
        let mut take = |pieces: Vec<Piece>| {
            for piece in &pieces {
                match piece {
                    Piece::Text(part) => text.push_str(part),
                    Piece::Thought(part) => thoughts.push_str(part),
                    // Without tools nothing is a call.
                    Piece::CallBegun { .. } | Piece::Arguments(_) | Piece::CallEnd { .. } => {}
                }
                tell(piece);
            }
        };
        let mut figures = Figures {
            prompt_tokens: generation.prompt_tokens,
            cached_tokens: 0,
            tokens: 0,
            first: Duration::ZERO,
            whole: Duration::ZERO,
        };
        let mut end = End::Stopped;
        loop {
            let event = tokio::select! {
                event = generation.next() => event,
                () = &mut stop => break,
            };
            match event {
                None => break,
                Some(event) => match event? {
                    GenerationEvent::Delta { text, tokens, .. } => {
                        if figures.tokens == 0 {
                            figures.first = begun.elapsed();
                        }
                        figures.tokens += tokens.len();
                        take(parser.push(&text, tokens.len()));
                    }
                    GenerationEvent::End { reason, completion_tokens, cached_tokens, .. } => {
                        (figures.tokens, figures.cached_tokens) = (completion_tokens, cached_tokens);
                        end = match reason {
                            FinishReason::Stop => End::Whole,
                            FinishReason::Length => End::Cut,
                        };
                    }
                },
            }
        }
        take(parser.finish(matches!(end, End::Cut)));
        figures.whole = begun.elapsed();
        self.last = Some(figures);
        let answer = AnswerMessage::of(text, thoughts, Vec::new()).kept();
        if let Some(turn) = &mut turn
            && end != End::Stopped
        {
            turn.keep(&answer, None).await?;
        }
        self.turns.push(answer.for_template());
        Ok(end)
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (first, whole) = (self.first.as_secs_f64(), self.whole.as_secs_f64());
        write!(
            f,
            "{} tokens of prompt, {} of them cached; {} tokens of answer in {whole:.2} s, the first after {first:.2} s",
            self.prompt_tokens, self.cached_tokens, self.tokens
        )?;
        if self.tokens > 1 && whole > first {
            write!(f, "; {:.1} tokens a second after it", (self.tokens - 1) as f64 / (whole - first))?;
        }
        Ok(())
    }
}
