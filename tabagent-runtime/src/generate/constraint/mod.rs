//! Constraints: what an answer has to be like, held while it is generated.
//!
//! A constraint of a bounded size (`bounds`) becomes a grammar (`grammar`), which is compiled beside the engine against the vocabulary of the model
//! (`compile`). Each sequence has a guide of its own (`guide`), which tells before each token which ones may come, on a thread of its own
//! (`scout`).

mod bounds;
mod compile;
mod grammar;
mod guide;
mod scout;

use serde_json::Value;

pub(crate) use compile::Compiler;
pub(crate) use grammar::Thoughts;
pub(crate) use guide::{Allowed, Guide};
pub(crate) use scout::Scout;

/// What an answer has to be like: a text of a form, calls of tools, or either of them. A model that marks its thoughts may
/// think before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraint {
    /// The form of its text; any text where there is none.
    pub text: Option<TextConstraint>,
    /// The calls that it may have; none where there are none, and then a text is what it is.
    pub calls: Option<CallConstraint>,
}

/// The form of a text, and the field of the request that asks for it.
#[derive(Debug, Clone, PartialEq)]
pub struct TextConstraint {
    /// Field that errors name.
    pub field: String,
    /// The form.
    pub form: TextForm,
}

/// The form of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum TextForm {
    /// A JSON object.
    JsonObject,
    /// JSON that a schema describes.
    JsonSchema {
        /// The schema, in the terms of draft 2020-12 unless it says another one.
        schema: Value,
        /// Whether a schema that cannot be held whole is refused; else what cannot be held of it is passed over.
        strict: bool,
    },
    /// What a regular expression matches from its beginning to its end, in the syntax of the crate `regex`.
    Regex(String),
    /// One of these texts.
    Choice(Vec<String>),
    /// What a grammar describes, in llguidance's variant of Lark's syntax.
    Lark(String),
}

/// Which calls an answer may have.
#[derive(Debug, Clone, PartialEq)]
pub struct CallConstraint {
    /// The tools that may be called.
    pub tools: Vec<CallableTool>,
    /// Whether a tool is called in any case.
    pub required: bool,
    /// Whether there may be several calls.
    pub parallel: bool,
}

/// A tool that may be called.
#[derive(Debug, Clone, PartialEq)]
pub struct CallableTool {
    /// Field of its parameters, which errors name.
    pub field: String,
    /// Its name.
    pub name: String,
    /// JSON Schema of its arguments, which are an object; an empty one where there is none.
    pub parameters: Option<Value>,
    /// As in [`TextForm::JsonSchema`].
    pub strict: bool,
}

impl Constraint {
    /// The field of the request that asks for it.
    fn field(&self) -> &str {
        match (&self.text, &self.calls) {
            (Some(text), _) => &text.field,
            (None, Some(calls)) => calls.tools.first().map_or("tools", |tool| &tool.field),
            (None, None) => "response_format",
        }
    }

    /// Each of its parts by itself.
    fn parts(&self) -> Vec<Self> {
        let text = self.text.iter().map(|text| Self { text: Some(text.clone()), calls: None });
        let tools = self.calls.iter().flat_map(|calls| &calls.tools).map(|tool| {
            let calls = CallConstraint { tools: vec![tool.clone()], required: true, parallel: false };
            Self { text: None, calls: Some(calls) }
        });
        text.chain(tools).collect()
    }

    /// Whether white space in front of a text belongs to its form.
    pub(crate) fn keeps_space(&self) -> bool {
        matches!(
            &self.text,
            Some(TextConstraint { form: TextForm::Regex(_) | TextForm::Choice(_) | TextForm::Lark(_), .. })
        )
    }
}
