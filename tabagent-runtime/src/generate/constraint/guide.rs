//! The guide of one sequence: which tokens may come next, and what came.

use std::{
    fmt::Display,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use llguidance::{TokenParser, api::StopReason, panic_utils::catch_unwind, toktrie::SimpleVob};

use crate::error::{BackendError, Result};

/// Time that a guide may take at first, and for each token. A step takes microseconds where a grammar is clear, and seconds
/// where it can be read in many ways; it has a row that others may wait for.
const PATIENCE: Duration = Duration::from_secs(1);
const PATIENCE_FOR_A_TOKEN: Duration = Duration::from_millis(50);

/// Where a sequence stands in its grammar. A clone goes its own way from here.
#[derive(Clone)]
pub(crate) struct Guide {
    parser: TokenParser,
    /// Tokens that end an answer.
    ends: Arc<[u32]>,
    /// Field of the request that asks for the constraint.
    field: Arc<str>,
    /// Time that is left for it.
    left: Duration,
}

impl std::fmt::Debug for Guide {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Guide").field("field", &self.field).finish_non_exhaustive()
    }
}

/// Which tokens may come next.
#[derive(Debug)]
pub(crate) enum Allowed {
    /// Those whose bit is set.
    Tokens(SimpleVob),
    /// None: the answer is complete.
    Complete,
}

impl Guide {
    pub(super) fn new(mut parser: TokenParser, ends: Arc<[u32]>, field: &str) -> Self {
        parser.start_without_prompt();
        Self { parser, ends, field: field.into(), left: PATIENCE }
    }

    /// Which tokens may come next; those that end an answer only where `may_end` and the grammar can end here.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the grammar has become too complex or takes too long,
    /// [`BackendError::InternalError`] where llguidance failed.
    pub(crate) fn allowed(&mut self, may_end: bool) -> Result<Allowed> {
        if self.complete() {
            return Ok(Allowed::Complete);
        }
        let begun = Instant::now();
        // A panic ends this sequence and no other.
        let computed = catch_unwind(AssertUnwindSafe(|| self.parser.compute_mask()));
        let mut tokens = computed.map_err(|error| self.failure(&error))?;
        self.took(begun)?;
        if !may_end {
            for end in self.ends.iter() {
                tokens.disallow_token(*end);
            }
            if tokens.is_zero() {
                return Ok(Allowed::Complete);
            }
        }
        Ok(Allowed::Tokens(tokens))
    }

    /// Goes on by a token. Returns whether nothing can come after it.
    ///
    /// # Errors
    /// As [`Guide::allowed`].
    pub(crate) fn accept(&mut self, token: u32) -> Result<bool> {
        let begun = Instant::now();
        let accepted = catch_unwind(AssertUnwindSafe(|| {
            self.parser.consume_token(token)?;
            self.parser.check_stop()
        }));
        accepted.map_err(|error| self.failure(&error))?;
        self.left = self.left.saturating_add(PATIENCE_FOR_A_TOKEN);
        self.took(begun)?;
        Ok(self.complete())
    }

    /// Takes a step by the first token that may come, to see whether it can be done.
    ///
    /// # Errors
    /// As [`Guide::allowed`].
    pub(super) fn step(&mut self) -> Result<()> {
        if let Allowed::Tokens(tokens) = self.allowed(false)?
            && let Some(token) = tokens.iter().next()
            && !self.accept(token)?
        {
            self.allowed(true)?;
        }
        Ok(())
    }

    /// Notes the time since `begun`.
    fn took(&mut self, begun: Instant) -> Result<()> {
        let left = self.left.checked_sub(begun.elapsed());
        self.left = left.ok_or_else(|| {
            let reason = "takes too long to be held, since its text can be read in too many ways; ask for a simpler form";
            BackendError::invalid(&*self.field, reason)
        })?;
        Ok(())
    }

    fn complete(&self) -> bool {
        matches!(self.parser.stop_reason(), StopReason::NoExtension | StopReason::EndOfSentence)
    }

    fn failure(&self, error: &impl Display) -> BackendError {
        let (field, reason) = (&self.field, self.parser.stop_reason());
        match reason {
            StopReason::LexerTooComplex | StopReason::ParserTooComplex => BackendError::invalid(
                &**field,
                "is or becomes too complex to be held; ask for a simpler form",
            ),
            StopReason::NoExtensionBias => BackendError::invalid(
                &**field,
                "asks for text that no token of this model can continue; ask for another form",
            ),
            _ => {
                tracing::error!(%field, %error, "a constraint failed");
                BackendError::internal(format!("the constraint in `{field}` failed"))
            }
        }
    }
}
