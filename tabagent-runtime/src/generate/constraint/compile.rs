//! Compiles grammars against the vocabulary of a model.

use std::{fmt::Display, sync::Arc, thread};

use llguidance::{
    ParserFactory,
    toktrie::{ApproximateTokEnv, INVALID_TOKEN, InferenceCapabilities, TokEnv, TokRxInfo, TokTrie},
};

use super::{
    Constraint, bounds,
    grammar::{self, Thoughts},
    guide::Guide,
};
use crate::{
    error::{BackendError, Result},
    tokenizer::Tokenizer,
};

/// Bytes of the longest token that can be told apart; the trie takes no longer ones.
const LONGEST_TOKEN: usize = 1000;

/// Bytes of stack for the compiler: a reference within a reference takes ten thousand. Memory is taken as it is used.
const STACK: usize = 256 << 20;

/// The vocabulary of one model, in the form that grammars are compiled against.
pub(crate) struct Compiler {
    factory: ParserFactory,
    ends: Arc<[u32]>,
}

impl std::fmt::Debug for Compiler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Compiler").field("ends", &self.ends).finish_non_exhaustive()
    }
}

impl Compiler {
    /// Of a tokenizer whose model gives logits for `vocabulary` tokens. Takes a second or two for the largest ones.
    ///
    /// # Errors
    /// [`BackendError::InternalError`] where llguidance does not take the vocabulary.
    pub(crate) fn new(tokenizer: &Tokenizer, ends: &[u32], vocabulary: usize) -> Result<Self> {
        let failed = |error: &dyn Display| {
            BackendError::internal(format!("the vocabulary cannot be used for constraints: {error}"))
        };
        let size = u32::try_from(vocabulary).map_err(|error| failed(&error))?;
        let ends: Arc<[u32]> = ends.iter().copied().filter(|end| *end < size).collect();
        let words: Vec<Vec<u8>> = (0..size).map(|token| spelling(tokenizer, token, &ends)).collect();
        let info = TokRxInfo::new(size, ends.first().copied().unwrap_or(INVALID_TOKEN));
        let mut trie = TokTrie::from(&info, &words);
        if !ends.is_empty() {
            trie = trie.with_eos_tokens(&ends);
        }
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
        let slices = llguidance::earley::SlicedBiasComputer::general_slices();
        let mut factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices)
            .map_err(|error| failed(&error))?;
        factory.quiet();
        factory.limits_mut().verbose_errors = false;
        Ok(Self { factory, ends })
    }

    /// Compiles a constraint, and takes a first step, which finds most of what becomes too complex. How large it may grow is
    /// bounded by llguidance's own limits.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] that names the field at fault, with llguidance's reason.
    pub(crate) fn compile(&self, constraint: &Constraint, thoughts: Thoughts) -> Result<Guide> {
        bounds::check(constraint)?;
        let grammar = grammar::of(constraint, thoughts)?;
        // It recurses over rules and references, of which there may be thousands.
        let compiled = thread::scope(|scope| {
            let compile = || -> Result<Guide> {
                let parser = self.factory.create_parser(grammar);
                let parser = parser.map_err(|error| self.refusal(constraint, &error))?;
                let guide = Guide::new(parser, Arc::clone(&self.ends), constraint.field());
                guide.clone().step()?;
                Ok(guide)
            };
            let thread = thread::Builder::new().name("constraint".to_owned()).stack_size(STACK);
            Ok(thread.spawn_scoped(scope, compile).map_err(|error| no_thread(&error))?.join())
        })?;
        compiled.unwrap_or_else(|_| Err(BackendError::internal("compiling a constraint panicked")))
    }

    /// Why a constraint does not compile. llguidance does not say which of several parts is at fault: it is the first one
    /// that does not compile by itself.
    fn refusal(&self, constraint: &Constraint, error: &impl Display) -> BackendError {
        let alone = constraint.parts().into_iter().find_map(|part| {
            let grammar = grammar::of(&part, Thoughts::None).ok()?;
            Some(refused(part.field(), &self.factory.create_parser(grammar).err()?))
        });
        alone.unwrap_or_else(|| refused(constraint.field(), error))
    }
}

fn no_thread(error: &std::io::Error) -> BackendError {
    BackendError::internal(format!("the system gives no thread to compile a constraint: {error}"))
}

/// The bytes of a token for the trie: those that it adds to a text; for a token that is no text a name, which no text has.
fn spelling(tokenizer: &Tokenizer, token: u32, ends: &[u32]) -> Vec<u8> {
    let text = tokenizer.text_bytes(token);
    let bytes = if text.is_empty() || ends.contains(&token) {
        let name = tokenizer.bytes_of(token);
        if name.is_empty() {
            return name;
        }
        [&[TokTrie::SPECIAL_TOKEN_MARKER], name.as_slice()].concat()
    } else {
        text
    };
    if bytes.len() > LONGEST_TOKEN { Vec::new() } else { bytes }
}

/// llguidance's reason in one line, without its own state.
fn refused(field: &str, error: &impl Display) -> BackendError {
    let text = error.to_string();
    if text.starts_with("panic") {
        tracing::error!(field, error = text, "a constraint could not be compiled");
        return BackendError::internal(format!("the constraint in `{field}` could not be compiled"));
    }
    let lines = text.lines().map(str::trim).filter(|line| line.contains(char::is_alphanumeric));
    BackendError::invalid(field, format!("cannot be held: {}", lines.collect::<Vec<_>>().join(" ")))
}
