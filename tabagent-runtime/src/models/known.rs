//! Repositories of the hub whose models this runtime serves: a list that was made by hand, with its date.

use std::sync::OnceLock;

use serde::Deserialize;

use super::ModelKind;

/// The list. Sizes are those of the variant that a CPU gets, rounded; what is pulled is told exactly by the hub.
const LIST: &str = include_str!("../../assets/catalogue.json");

/// What is known of models that can be pulled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModels {
    /// When the list was last looked through: `YYYY-MM`.
    pub date: String,
    /// The models, sorted by id.
    pub models: Vec<KnownModel>,
}

/// A model that can be pulled.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownModel {
    /// Its repository, which is also its id here.
    pub id: String,
    /// What it does.
    pub kind: ModelKind,
    /// Its licence: an SPDX id, or its name where it has none.
    pub licence: String,
    /// Bytes of the variant that a CPU gets, about.
    pub size: u64,
    /// What it is, in a line.
    pub summary: String,
}

/// The list.
pub fn known_models() -> &'static KnownModels {
    static KNOWN: OnceLock<KnownModels> = OnceLock::new();
    // A test holds that it can be read; without it there are the models that are here.
    KNOWN.get_or_init(|| {
        serde_json::from_str(LIST).unwrap_or_else(|_| KnownModels { date: String::new(), models: Vec::new() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Reference;

    #[test]
    fn the_list_can_be_read_and_pulled() {
        let known: KnownModels = serde_json::from_str(LIST).unwrap();
        assert!(known.models.len() >= 12 && known.models.is_sorted_by(|a, b| a.id < b.id));
        for kind in [ModelKind::Chat, ModelKind::Embedding, ModelKind::Rerank] {
            assert!(known.models.iter().filter(|model| model.kind == kind).count() >= 2, "{kind:?}");
        }
        for model in &known.models {
            assert_eq!(model.id.parse::<Reference>().unwrap().repository(), model.id);
            assert!(!model.licence.is_empty() && !model.summary.is_empty() && model.size > 10_000_000);
        }
    }
}
