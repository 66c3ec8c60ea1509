//! How tokens are chosen, and whether it can be.

use crate::error::{BackendError, Result};

/// How tokens are chosen. The default is the model's own distribution: nothing is cut off and nothing penalised.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingOptions {
    /// Divides the logits; 0 always takes the likeliest token. 0 to 2.
    pub temperature: f32,
    /// Keeps the so many likeliest tokens; 0 keeps all.
    pub top_k: usize,
    /// Keeps the likeliest tokens that have this probability together. 0 to 1.
    pub top_p: f32,
    /// Keeps tokens with at least this share of the likeliest one's probability. 0 to 1.
    pub min_p: f32,
    /// Divides the logits of tokens that occurred, those of the prompt included (Keskar et al. 2019); 1 does nothing.
    pub repetition_penalty: f32,
    /// Taken from the logits of tokens that were generated, once. -2 to 2.
    pub presence_penalty: f32,
    /// Taken from the logits of tokens that were generated, for each time. -2 to 2.
    pub frequency_penalty: f32,
    /// Added to the logits of single tokens. -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// Makes the draw repeat: the same seed gives the same text, alone or among other requests.
    pub seed: Option<u64>,
}

impl Default for SamplingOptions {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
            logit_bias: Vec::new(),
            seed: None,
        }
    }
}

impl SamplingOptions {
    /// Whether every value lies in its range, and every biased token in the vocabulary.
    ///
    /// # Errors
    /// [`BackendError::InvalidInput`] that names the first one that does not.
    pub(crate) fn check(&self, vocabulary: usize) -> Result<()> {
        let within = |field: &str, value: f32, least: f32, most: f32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            Err(BackendError::invalid(field, format!("is {value}; it must lie between {least} and {most}")))
        };
        within("temperature", self.temperature, 0.0, 2.0)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        within("repetition_penalty", self.repetition_penalty, 0.125, 8.0)?;
        for (token, bias) in &self.logit_bias {
            if *token as usize >= vocabulary {
                return Err(BackendError::invalid(
                    "logit_bias",
                    format!("token id {token} is not in this model's vocabulary of {vocabulary}"),
                ));
            }
            within("logit_bias", *bias, -100.0, 100.0)?;
        }
        Ok(())
    }
}
