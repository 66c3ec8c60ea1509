//! How a model is loaded, and how somebody wishes it to be.

use super::Model;
use crate::device::Device;

/// How a model is loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoadSpec {
    /// Name of the variant.
    pub(crate) variant: String,
    /// What it is to run on.
    pub(crate) device: Device,
    /// Most tokens of one sequence, where that is asked for.
    pub(crate) context: Option<usize>,
}

/// What somebody wants of a model's load; what is absent may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) variant: Option<String>,
    pub(crate) device: Option<Device>,
    pub(crate) context: Option<usize>,
}

impl Wish {
    /// The wish, for a model that is loaded: what is absent stays as it is.
    pub(crate) fn over(self, spec: LoadSpec) -> Self {
        Self {
            variant: self.variant.or(Some(spec.variant)),
            device: self.device.or(Some(spec.device)),
            context: self.context.or(spec.context),
        }
    }

    /// Whether a model is what is wished for: by how it was asked for, or by what has become of that.
    pub(super) fn is_met_by(&self, spec: &LoadSpec, model: Option<&Model>) -> bool {
        let (device, context) = match model {
            Some(Model::Encoder(model)) => (Some(model.device), None),
            Some(Model::Decoder(model)) => (Some(model.device), Some(model.context)),
            None => (None, None),
        };
        self.variant.as_ref().is_none_or(|variant| *variant == spec.variant)
            && self.device.is_none_or(|wished| wished == spec.device || Some(wished) == device)
            && self.context.is_none_or(|wished| [spec.context, context].contains(&Some(wished)))
    }
}
