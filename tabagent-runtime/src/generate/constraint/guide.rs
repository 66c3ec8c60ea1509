//! The guide of one sequence: which tokens may come next, and what came.

use std::{fmt::Display, panic::AssertUnwindSafe, sync::Arc};

use llguidance::{TokenParser, api::StopReason, panic_utils::catch_unwind, toktrie::SimpleVob};

use crate::error::{BackendError, Result};

/// Where a sequence stands in its grammar. A clone goes its own way from here.
#[derive(Clone)]
pub(crate) struct Guide {
    parser: TokenParser,
    /// Tokens that end an answer.
    ends: Arc<[u32]>,
    /// Field of the request that asks for the constraint.
    field: Arc<str>,
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
        Self { parser, ends, field: field.into() }
    }

    /// Which tokens may come next; those that end an answer only where `may_end` and the grammar can end here.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] where the grammar has become too complex, [`BackendError::InternalError`] where
    /// llguidance failed.
    pub(crate) fn allowed(&mut self, may_end: bool) -> Result<Allowed> {
        if self.complete() {
            return Ok(Allowed::Complete);
        }
        // A panic ends this sequence and no other.
        let computed = catch_unwind(AssertUnwindSafe(|| self.parser.compute_mask()));
        let mut tokens = computed.map_err(|error| self.failure(&error))?;
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
        let accepted = catch_unwind(AssertUnwindSafe(|| {
            self.parser.consume_token(token)?;
            self.parser.check_stop()
        }));
        accepted.map_err(|error| self.failure(&error))?;
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
