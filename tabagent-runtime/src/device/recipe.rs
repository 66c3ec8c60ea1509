//! Recipes: which form of a model runs on which execution provider here, and what would make the others run.

use serde::Serialize;

use super::{Device, PROVIDERS, ProviderReport, ProviderState};

/// A form in which models come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelFormat {
    /// An ONNX graph that turns texts into vectors or scores.
    OnnxEncoder,
    /// An ONNX graph that continues a text.
    OnnxDecoder,
    /// Weights of transformers without a graph.
    Safetensors,
    /// Weights of llama.cpp without a graph.
    Gguf,
}

/// Whether a recipe works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipeState {
    /// It works now.
    Installed,
    /// It would work, were something installed.
    Installable,
    /// It does not work on this machine, or not at all.
    Unsupported,
}

/// One form of a model on one execution provider.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recipe {
    /// The form.
    pub format: ModelFormat,
    /// The word for the provider in `--device`; `None` where the form runs on none.
    pub device: Option<String>,
    /// ONNX Runtime's name for it.
    pub provider: Option<String>,
    /// Whether it works.
    pub state: RecipeState,
    /// Why, in a sentence.
    pub reason: String,
    /// What to run or set, where something would help.
    pub command: Option<String>,
}

/// All recipes, in the order of the forms and of `reports`, which are those of all providers
/// ([`providers`](super::providers)).
pub fn recipes(reports: &[ProviderReport]) -> Vec<Recipe> {
    let encoders = reports.iter().map(|report| encoder(report, std::env::consts::OS));
    let decoders = reports.iter().map(|report| decoder(report, std::env::consts::OS));
    let graphless = [ModelFormat::Safetensors, ModelFormat::Gguf].into_iter().map(graphless);
    encoders.chain(decoders).chain(graphless).collect()
}

fn encoder(report: &ProviderReport, system: &str) -> Recipe {
    let recipe = |state, reason: String, command| Recipe {
        format: ModelFormat::OnnxEncoder,
        device: Some(report.name.clone()),
        provider: Some(report.provider.clone()),
        state,
        reason,
        command,
    };
    let provider = PROVIDERS.iter().find(|provider| provider.name == report.name);
    if let Some(provider) = provider.filter(|provider| !provider.systems.contains(&system)) {
        let reason = format!("it does not exist on {system}: it needs {}", provider.needs);
        return recipe(RecipeState::Unsupported, reason, None);
    }
    let reason = report.reason.clone();
    match report.state {
        ProviderState::Usable | ProviderState::OnRequest => {
            let reason = reason.unwrap_or_else(|| "the loaded ONNX Runtime runs models on it".to_owned());
            recipe(RecipeState::Installed, reason, Some(format!("tabagent serve --device {}", report.name)))
        }
        ProviderState::NotOffered | ProviderState::Failed => {
            let reason = format!("{}; it needs {}", reason.unwrap_or_default(), report.needs);
            recipe(RecipeState::Installable, reason, report.remedy.clone())
        }
    }
}

/// A decoder keeps what it has read in the memory of the CPU, so that it runs there alone.
fn decoder(report: &ProviderReport, system: &str) -> Recipe {
    let encoder = encoder(report, system);
    let on_cpu = report.name == Device::Cpu.to_string();
    let format = ModelFormat::OnnxDecoder;
    if on_cpu || encoder.state == RecipeState::Unsupported {
        return Recipe { format, ..encoder };
    }
    Recipe {
        format,
        state: RecipeState::Unsupported,
        reason: "text is generated on the CPU alone so far".to_owned(),
        command: Some("tabagent serve --device cpu".to_owned()),
        ..encoder
    }
}

fn graphless(format: ModelFormat) -> Recipe {
    Recipe {
        format,
        device: None,
        provider: None,
        state: RecipeState::Unsupported,
        reason: "its files are weights without a graph, and ONNX Runtime runs graphs".to_owned(),
        command: Some(match format {
            ModelFormat::Gguf => {
                "python -m onnxruntime_genai.models.builder -m OWNER/NAME -i MODEL.gguf -o FOLDER -p int4 -e cpu".to_owned()
            }
            _ => {
                "python -m onnxruntime_genai.models.builder -m OWNER/NAME -o FOLDER -p int4 -e cpu".to_owned()
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reports(state: ProviderState) -> Vec<ProviderReport> {
        let mut reports: Vec<_> = PROVIDERS.iter().map(|provider| provider.report(state, None)).collect();
        reports.push(ProviderReport {
            name: "cpu".to_owned(),
            provider: "CPUExecutionProvider".to_owned(),
            state: ProviderState::Usable,
            reason: None,
            needs: "nothing".to_owned(),
            remedy: None,
        });
        reports
    }

    fn state(recipes: &[Recipe], format: ModelFormat, device: &str) -> RecipeState {
        let of = |recipe: &&Recipe| recipe.format == format && recipe.device.as_deref() == Some(device);
        recipes.iter().find(of).unwrap().state
    }

    #[test]
    fn every_form_stands_beside_every_provider_once() {
        let recipes = recipes(&reports(ProviderState::NotOffered));
        assert_eq!(recipes.len(), 2 * (PROVIDERS.len() + 1) + 2);
        for format in [ModelFormat::OnnxEncoder, ModelFormat::OnnxDecoder] {
            assert_eq!(state(&recipes, format, "cpu"), RecipeState::Installed);
        }
        for recipe in &recipes {
            let helpless = recipe.state == RecipeState::Installable && recipe.command.is_none();
            assert!(!helpless && !recipe.reason.is_empty(), "{recipe:?}");
        }
    }

    #[test]
    fn a_provider_of_another_system_is_no_use_whatever_is_installed() {
        let system = |name: &str, system: &str| {
            let reports = reports(ProviderState::NotOffered);
            encoder(reports.iter().find(|report| report.name == name).unwrap(), system).state
        };
        assert_eq!(system("directml", "linux"), RecipeState::Unsupported);
        assert_eq!(system("directml", "windows"), RecipeState::Installable);
        assert_eq!(system("coreml", "linux"), RecipeState::Unsupported);
        assert_eq!(system("cuda", "macos"), RecipeState::Unsupported);
        assert_eq!(system("cuda", "linux"), RecipeState::Installable);
    }

    #[test]
    fn decoders_run_on_the_cpu_alone() {
        let recipes = recipes(&reports(ProviderState::Usable));
        assert_eq!(state(&recipes, ModelFormat::OnnxEncoder, "xnnpack"), RecipeState::Installed);
        assert_eq!(state(&recipes, ModelFormat::OnnxDecoder, "xnnpack"), RecipeState::Unsupported);
    }
}
