//! Requests that were admitted, and what each prompt comes to alone.

use std::{cell::RefCell, collections::HashMap, path::Path, time::Duration};

use tabagent_runtime::{
    BackendError, FinishReason, GeneratePrompt, GenerateRequest, Generation, GenerationEvent, Runtime,
    RuntimeOptions, SamplingRequest, device::Device,
};

use crate::{CHOICES, LONGEST, PATIENCE, plan::Join};

/// What one sequence came to.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Answer {
    pub(crate) ids: Vec<u32>,
    pub(crate) reason: Option<FinishReason>,
}

impl Answer {
    /// What an answer is that may have fewer tokens.
    pub(crate) fn cut(&self, tokens: usize) -> Self {
        if tokens >= self.ids.len() {
            return self.clone();
        }
        Self { ids: self.ids[..tokens].to_vec(), reason: Some(FinishReason::Length) }
    }
}

/// A runtime in whose cache there is one sequence at a time, and what each prompt came to there.
pub(crate) struct Alone {
    pub(crate) runtime: Runtime,
    pub(crate) known: RefCell<HashMap<(usize, bool), Vec<Answer>>>,
}

impl Alone {
    pub(crate) async fn answers(&self, prompts: &[Vec<u32>], model: &str, join: &Join) -> Vec<Answer> {
        let key = (join.prompt, join.draws);
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        let asked = Join { tokens: LONGEST, choices: CHOICES, deadline: None, ..join.clone() };
        let generation = self.runtime.generate(request("alone", model, prompts, &asked)).await.unwrap();
        let mut live = Live::new("alone".to_owned(), asked, generation);
        while live.read().await {}
        self.known.borrow_mut().insert(key, live.answers.clone());
        live.answers
    }
}

pub(crate) fn start(model: &str, options: RuntimeOptions) -> Runtime {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/decoders");
    assert!(folder.join(model).is_dir());
    Runtime::start(RuntimeOptions { models_dir: folder, device: Device::Cpu, threads: Some(1), ..options })
        .unwrap()
}

pub(crate) fn request(id: &str, model: &str, prompts: &[Vec<u32>], join: &Join) -> GenerateRequest {
    let sampling = SamplingRequest {
        temperature: Some(if join.draws { 0.8 } else { 0.0 }),
        seed: join.draws.then_some(join.prompt as u64),
        ..SamplingRequest::default()
    };
    GenerateRequest {
        id: id.to_owned(),
        model: Some(model.to_owned()),
        prompt: GeneratePrompt::Tokens(prompts[join.prompt].clone()),
        sampling,
        max_tokens: Some(join.tokens),
        constraint: None,
        stop: Vec::new(),
        ignore_end: ignores_end(join.prompt),
        choices: join.choices,
        logprobs: None,
        deadline: join.deadline.map(Duration::from_millis),
    }
}

/// Whether a prompt is answered to the length that is asked for, as every second one is; else until the model ends it.
pub(crate) fn ignores_end(prompt: usize) -> bool {
    prompt.is_multiple_of(2)
}

/// A request that was admitted.
pub(crate) struct Live {
    pub(crate) id: String,
    pub(crate) join: Join,
    pub(crate) generation: Generation,
    pub(crate) answers: Vec<Answer>,
    pub(crate) stopped: bool,
    pub(crate) error: Option<BackendError>,
}

impl Live {
    pub(crate) fn new(id: String, join: Join, generation: Generation) -> Self {
        let answers = vec![Answer::default(); join.choices];
        Self { id, join, generation, answers, stopped: false, error: None }
    }

    /// Waits for the next event. Returns whether there was one.
    pub(crate) async fn read(&mut self) -> bool {
        let event = tokio::time::timeout(PATIENCE, self.generation.next()).await;
        match event.unwrap_or_else(|_| panic!("{}: neither an event nor an end", self.id)) {
            None => return false,
            Some(Ok(GenerationEvent::Delta { choice, tokens, .. })) => {
                self.answers[choice].ids.extend(tokens.iter().map(|token| token.id));
            }
            Some(Ok(GenerationEvent::End { choice, reason, completion_tokens, .. })) => {
                let answer = &mut self.answers[choice];
                assert_eq!((answer.ids.len(), answer.reason), (completion_tokens, None), "{}", self.id);
                answer.reason = Some(reason);
            }
            Some(Err(error)) => self.error = Some(error),
        }
        true
    }

    /// Holds what came to what comes alone; `whole`: the client waited for all of it.
    pub(crate) fn check(&self, expected: &[Answer], whole: bool) {
        for (choice, (answer, expected)) in self.answers.iter().zip(expected).enumerate() {
            let shown = format!("{}: answer {choice}", self.id);
            assert!(expected.ids.starts_with(&answer.ids), "{shown}: {answer:?} alone is {expected:?}");
            match answer.reason {
                Some(FinishReason::Stop) if self.stopped => {}
                Some(_) => assert_eq!(answer, expected, "{shown}"),
                None => assert!(!whole || self.error.is_some(), "{shown} has no end"),
            }
        }
        match &self.error {
            None => {}
            Some(BackendError::GenerationTimeout { .. }) => assert!(self.join.deadline.is_some()),
            Some(other) => panic!("{}: {other}", self.id),
        }
    }
}
