//! The places that settings come from: flags, the environment, a TOML file, defaults. The first that has a value wins.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;
use super::settings::{DefaultValue, SETTINGS, Setting};
use super::value::SettingValue;

/// Name of the file in the data folder and in the user's folder for configuration.
const FILE_NAME: &str = "tabagent.toml";

/// Variables with our prefix that are no settings of the server.
const OTHER_VARIABLES: &[&str] = &["TABAGENT_CONFIG", "TABAGENT_CACHE_DIR", "TABAGENT_ONNXRUNTIME_URL"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A flag.
    Flag(String),
    /// An environment variable.
    Variable(String),
    /// A key of the file.
    File(PathBuf),
    /// Nobody said otherwise.
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(name) => f.write_str(name),
            Self::Variable(name) => f.write_str(name),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Default => f.write_str("default"),
        }
    }
}

/// The texts of all sources, not yet read as values.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    /// Values of flags, by key.
    pub flags: BTreeMap<String, Vec<String>>,
    /// The environment variables that begin with `TABAGENT_`.
    pub environment: BTreeMap<String, String>,
    /// The file, where there is one.
    pub file: Option<(PathBuf, toml::Table)>,
}

impl Sources {
    /// The flags, the environment of the process, and the file: the one that `--config` or `TABAGENT_CONFIG` names, else
    /// `tabagent.toml` in the data folder, else in the user's folder for configuration.
    ///
    /// # Errors
    /// When the file that was named is not there, or a file is not TOML.
    pub fn of_process(
        flags: BTreeMap<String, Vec<String>>,
        file: Option<PathBuf>,
    ) -> Result<Self, ConfigError> {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
            .filter(|(name, _)| name.starts_with("TABAGENT_"))
            .map(|(name, value)| match value.into_string() {
                Ok(value) => Ok((name, value)),
                Err(_) => Err(ConfigError(vec![format!("{name} is not UTF-8; set it to text that is")])),
            })
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        let mut sources = Self { flags, environment, file: None };
        let named = file.or_else(|| sources.variable("TABAGENT_CONFIG").map(PathBuf::from));
        let path = match named {
            Some(path) => Some(path),
            None => sources.usual_files()?.into_iter().find(|path| path.is_file()),
        };
        if let Some(path) = path {
            let table = read_file(&path)?;
            sources.file = Some((path, table));
        }
        Ok(sources)
    }

    /// An empty variable counts as one that is not set, as in most programs.
    fn variable(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Where the file lies when nobody names it.
    fn usual_files(&self) -> Result<Vec<PathBuf>, ConfigError> {
        let mut reader = Self { file: None, ..self.clone() }.into_reader();
        let data_dir: Option<PathBuf> = SETTINGS
            .iter()
            .find(|setting| setting.field == "data_dir")
            .and_then(|setting| reader.read(setting));
        let mut files: Vec<PathBuf> = data_dir.map(|folder| folder.join(FILE_NAME)).into_iter().collect();
        files.extend(config_home().map(|folder| folder.join("tabagent").join(FILE_NAME)));
        Ok(files)
    }

    pub(super) fn reader(&self) -> Reader {
        self.clone().into_reader()
    }

    fn into_reader(self) -> Reader {
        Reader { texts: self, data_dir: default_data_dir(), errors: Vec::new(), outcome: Outcome::default() }
    }
}

fn read_file(path: &Path) -> Result<toml::Table, ConfigError> {
    let failed =
        |reason: String| ConfigError(vec![format!("the configuration file {}: {reason}", path.display())]);
    let text = std::fs::read_to_string(path).map_err(|error| failed(format!("cannot be read: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| failed(format!("is not TOML: {error}")))
}

/// What was learnt beside the values.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) sources: BTreeMap<String, Source>,
    pub(super) warnings: Vec<String>,
}

/// Reads setting after setting and collects what is wrong.
#[derive(Debug)]
pub(super) struct Reader {
    texts: Sources,
    data_dir: PathBuf,
    errors: Vec<String>,
    outcome: Outcome,
}

impl Reader {
    /// The value of a setting; none when there is an error, which [`Reader::finish`] returns.
    pub(super) fn read<T: SettingValue>(&mut self, setting: &Setting) -> Option<T> {
        let key = setting.key();
        let (texts, source) = match self.find(setting, &key) {
            Ok(Some(found)) => found,
            Ok(None) => return self.read_default(setting, &key),
            Err(reason) => {
                self.errors.push(reason);
                return None;
            }
        };
        match T::read(&texts) {
            Ok(value) => {
                if let ("data_dir", [folder]) = (setting.field, texts.as_slice()) {
                    self.data_dir =
                        <PathBuf as super::Scalar>::parse(folder).unwrap_or_else(|_| folder.into());
                }
                self.outcome.sources.insert(key, source);
                Some(value)
            }
            Err(reason) => {
                self.errors.push(format!("`{key}` ({source}): {reason}"));
                None
            }
        }
    }

    fn read_default<T: SettingValue>(&mut self, setting: &Setting, key: &str) -> Option<T> {
        let text = match setting.default {
            DefaultValue::Unset(_) => return T::unset(),
            DefaultValue::Fixed(text) => text.to_owned(),
            DefaultValue::DataFolder => self.data_dir.display().to_string(),
            DefaultValue::Below(path) => self.data_dir.join(path).display().to_string(),
        };
        T::read(&[text]).map_err(|reason| self.errors.push(format!("`{key}` (default): {reason}"))).ok()
    }

    /// The texts of the first source that has the setting.
    fn find(&self, setting: &Setting, key: &str) -> Result<Option<(Vec<String>, Source)>, String> {
        if let Some(texts) = self.texts.flags.get(key) {
            return Ok(Some((texts.clone(), Source::Flag(format!("--{key}")))));
        }
        let variable = setting.variable();
        if let Some(text) = self.texts.variable(&variable) {
            let texts = if setting.list {
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
            } else {
                vec![text.to_owned()]
            };
            return Ok(Some((texts, Source::Variable(variable))));
        }
        let Some((path, table)) = &self.texts.file else { return Ok(None) };
        let Some(value) = table.get(key) else { return Ok(None) };
        match texts_of(value, setting.list) {
            Some(texts) => Ok(Some((texts, Source::File(path.clone())))),
            None => Err(format!(
                "`{key}` ({}): {} is needed, not a {}",
                path.display(),
                if setting.list {
                    "a string or an array of strings"
                } else {
                    "one string, number or boolean"
                },
                value.type_str()
            )),
        }
    }

    /// Everything that was wrong, or what was learnt.
    pub(super) fn finish(mut self) -> Result<Outcome, ConfigError> {
        if let Some((path, table)) = &self.texts.file {
            let keys: Vec<String> = SETTINGS.iter().map(Setting::key).collect();
            for key in table.keys().filter(|key| !keys.contains(key)) {
                let help = closest(key, keys.iter().map(String::as_str)).map_or_else(
                    || "`tabagent serve --help` lists the settings".to_owned(),
                    |known| format!("did you mean `{known}`?"),
                );
                self.errors.push(format!("`{key}` ({}) is not a setting; {help}", path.display()));
            }
        }
        let variables: Vec<String> = SETTINGS
            .iter()
            .map(Setting::variable)
            .chain(OTHER_VARIABLES.iter().map(|name| (*name).to_owned()))
            .collect();
        for name in self.texts.environment.keys().filter(|name| !variables.contains(name)) {
            let help = closest(name, variables.iter().map(String::as_str))
                .map_or_else(String::new, |known| format!("; did you mean {known}?"));
            self.outcome
                .warnings
                .push(format!("the variable {name} is not a setting and does nothing{help}"));
        }
        if self.errors.is_empty() { Ok(self.outcome) } else { Err(ConfigError(self.errors)) }
    }
}

/// The texts in a TOML value; none when it is of the wrong type.
fn texts_of(value: &toml::Value, list: bool) -> Option<Vec<String>> {
    let scalar = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(yes) => Some(yes.to_string()),
        _ => None,
    };
    match value {
        toml::Value::Array(values) if list => values.iter().map(scalar).collect(),
        value => scalar(value).map(|text| vec![text]),
    }
}

/// The known name that is most like this one, if one is like it.
pub(super) fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let normal = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    known
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&normal(name), &normal(candidate)), candidate))
        .filter(|(similarity, _)| *similarity > 0.85)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, candidate)| candidate)
}

/// The user's folder for data of this program.
pub fn default_data_dir() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = std::env::home_dir().unwrap_or_default();
    let base = match std::env::consts::OS {
        "windows" => variable("LOCALAPPDATA").unwrap_or_else(|| home.join("AppData/Local")),
        "macos" => home.join("Library/Application Support"),
        _ => variable("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share")),
    };
    base.join("tabagent")
}

/// The user's folder for configuration files.
fn config_home() -> Option<PathBuf> {
    let named = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    named.or_else(|| std::env::home_dir().map(|home| home.join(".config")))
}
