//! One precedence for every setting, and the rules between them.

use super::*;

/// Three values of each setting, as text, and how each is shown.
const SAMPLES: &[(&str, [&str; 3])] = &[
    ("data-dir", ["/data/a", "/data/b", "/data/c"]),
    ("models-dir", ["/models/a", "/models/b", "/models/c"]),
    ("host", ["127.0.0.2", "::1", "127.0.0.3"]),
    ("port", ["0", "9000", "65535"]),
    ("device", ["cpu", "cuda:1", "openvino"]),
    ("device-memory", ["1GiB", "2GiB", "3GiB"]),
    ("device-arena", ["exact", "doubling", "exact"]),
    ("device-graph", ["yes", "no", "yes"]),
    ("api-key", ["first", "second", "third"]),
    ("allow-host", ["a.lan", "b.lan", "c.lan"]),
    ("allow-origin", ["https://a.example", "chrome-extension://abc", "http://c.example:81"]),
    ("threads", ["1", "2", "3"]),
    ("queue", ["10", "20", "30"]),
    ("deadline", ["500ms", "3s", "4m"]),
    ("body-limit", ["1KiB", "2MiB", "3000"]),
    ("body-timeout", ["1s", "2s", "3h"]),
    ("parallel", ["1", "2", "3"]),
    ("prompt-part", ["64", "128", "512"]),
    ("chat-queue", ["1", "2", "3"]),
    ("context", ["1024", "2048", "4096"]),
    ("cache", ["1GiB", "2GiB", "3GiB"]),
    ("max-loaded", ["1", "2", "3"]),
    ("memory-limit", ["1GiB", "2GiB", "3GiB"]),
    ("sessions-limit", ["1GiB", "2GiB", "3GiB"]),
    ("keep-alive", ["forever", "0", "45s"]),
    ("autoload", ["no", "yes", "no"]),
    ("generation-deadline", ["1s", "2s", "3s"]),
    ("idle-timeout", ["1s", "2s", "3s"]),
    ("write-timeout", ["1s", "2s", "3s"]),
    ("max-connections", ["1", "2", "3"]),
    ("compression", ["on", "off", "auto"]),
    ("shutdown-grace", ["1s", "2s", "3s"]),
    ("install-onnxruntime", ["no", "yes", "no"]),
    ("hub-endpoint", ["https://hub.example", "http://127.0.0.1:5000", "https://mirror.example/hf"]),
    ("hub-allow-host", ["cdn.example", "cdn.example:8443", "10.0.0.1"]),
    ("hub-stall", ["1s", "2s", "3s"]),
    ("log", ["debug", "info,tabagent_api=trace", "warn"]),
    ("log-format", ["json", "text", "json"]),
];

/// The one setting whose values are files, which must be there.
const KEY_FILE: &str = "api-key-file";

fn flag(sources: &mut Sources, key: &str, text: &str) {
    sources.flags.insert(key.to_owned(), vec![text.to_owned()]);
}

fn variable(sources: &mut Sources, key: &str, text: &str) {
    sources
        .environment
        .insert(format!("TABAGENT_{}", key.replace('-', "_").to_ascii_uppercase()), text.to_owned());
}

fn file(text: &str) -> Sources {
    Sources { file: Some(("tabagent.toml".into(), text.parse().unwrap())), ..Sources::default() }
}

fn shown(sources: &Sources, key: &str) -> (String, Source) {
    let config = Config::load(sources).unwrap();
    let (_, value) = config.rows().into_iter().find(|(setting, _)| setting.key() == key).unwrap();
    let secret = key == "api-key" && config.api_key.is_some();
    let value = if secret {
        let texts = ["first", "second", "third"];
        let key = config.api_key.as_ref().unwrap();
        texts.into_iter().find(|text| key.matches(text.as_bytes())).unwrap().to_owned()
    } else {
        value
    };
    (value, config.source(key).clone())
}

#[test]
fn every_setting_is_read_from_its_flag_then_its_variable_then_the_file_then_has_its_default() {
    let tested: Vec<&str> = SAMPLES.iter().map(|(key, _)| *key).chain([KEY_FILE]).collect();
    for setting in SETTINGS {
        assert!(tested.contains(&setting.key().as_str()), "{} has no sample", setting.key());
    }
    assert_eq!(tested.len(), SETTINGS.len());
    for (key, [by_flag, by_variable, by_file]) in SAMPLES {
        let mut sources = Sources::default();
        let (_, source) = shown(&sources, key);
        assert_eq!(source, Source::Default, "{key}");
        sources.file = file(&format!("{key} = \"{by_file}\"")).file;
        assert_eq!(
            shown(&sources, key),
            ((*by_file).to_owned(), Source::File("tabagent.toml".into())),
            "{key}"
        );
        variable(&mut sources, key, by_variable);
        let (value, source) = shown(&sources, key);
        assert_eq!(value, *by_variable, "{key}");
        assert!(matches!(source, Source::Variable(_)), "{key}");
        flag(&mut sources, key, by_flag);
        assert_eq!(shown(&sources, key), ((*by_flag).to_owned(), Source::Flag(format!("--{key}"))), "{key}");
    }
}

#[test]
fn every_default_that_is_text_is_a_value_that_is_shown_as_it_is_written() {
    let config = Config::load(&Sources::default()).unwrap();
    for (setting, value) in config.rows() {
        if let DefaultValue::Fixed(text) = setting.default {
            assert_eq!(value, text, "{}", setting.key());
        }
    }
    assert_eq!(config.models_dir, config.data_dir.join("models"));
}

#[test]
fn the_models_folder_follows_the_data_folder_wherever_that_is_named() {
    let mut sources = file("data-dir = \"/from/file\"");
    assert_eq!(Config::load(&sources).unwrap().models_dir, std::path::Path::new("/from/file/models"));
    flag(&mut sources, "data-dir", "/from/flag");
    assert_eq!(Config::load(&sources).unwrap().models_dir, std::path::Path::new("/from/flag/models"));
}

#[test]
fn numbers_booleans_and_arrays_of_the_file_are_read_as_what_they_are() {
    let config = Config::load(&file(
        "port = 9000\ninstall-onnxruntime = false\nbody-limit = 2048\ndeadline = 5\nallow-host = [\"a.lan\", \"B.lan\"]",
    ))
    .unwrap();
    assert_eq!((config.port, config.install_onnxruntime, config.body_limit.0), (9000, false, 2048));
    assert_eq!(config.deadline.as_secs(), 5);
    assert_eq!(config.api().allowed_hosts, ["a.lan", "b.lan"]);
}

#[test]
fn lists_are_separated_by_commas_in_variables_and_empty_variables_are_not_set() {
    let mut sources = Sources::default();
    variable(&mut sources, "allow-host", "a.lan, b.lan,");
    variable(&mut sources, "port", "");
    let config = Config::load(&sources).unwrap();
    assert_eq!(config.allow_host.len(), 2);
    assert_eq!(config.port, 8080);
}

#[test]
fn an_unknown_key_is_an_error_with_a_suggestion_and_an_unknown_variable_a_warning() {
    let error = Config::load(&file("models_dir = \"x\"\nprot = 1\nquux = 2")).unwrap_err().to_string();
    assert!(
        error.contains("`models_dir` (tabagent.toml) is not a setting; did you mean `models-dir`?"),
        "{error}"
    );
    assert!(error.contains("did you mean `port`?"), "{error}");
    assert!(
        error.contains("`quux` (tabagent.toml) is not a setting; `tabagent serve --help` lists"),
        "{error}"
    );
    let mut sources = Sources::default();
    variable(&mut sources, "modelsdir", "x");
    let warnings = Config::load(&sources).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].contains("did you mean TABAGENT_MODELS_DIR?"), "{warnings:?}");
}

#[test]
fn every_wrong_value_is_told_with_its_source_in_one_error() {
    let mut sources = file("port = \"many\"\nhost = [\"::1\"]\ndevice = \"toaster\"");
    flag(&mut sources, "deadline", "0s");
    variable(&mut sources, "body-limit", "16 parsecs");
    let ConfigError(reasons) = Config::load(&sources).unwrap_err();
    assert_eq!(reasons.len(), 5, "{reasons:?}");
    for (key, source) in [
        ("port", "tabagent.toml"),
        ("host", "tabagent.toml"),
        ("device", "tabagent.toml"),
        ("deadline", "--deadline"),
        ("body-limit", "TABAGENT_BODY_LIMIT"),
    ] {
        assert!(
            reasons.iter().any(|reason| reason.starts_with(&format!("`{key}` ({source})"))),
            "{key}: {reasons:?}"
        );
    }
}

#[test]
fn a_log_filter_that_would_log_nothing_is_refused_whichever_source_it_has() {
    let refused = |sources: &Sources, source: &str| {
        let error = Config::load(sources).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`log` ({source}): `nonsense` is neither a level")), "{error}");
        assert!(error.contains("such as info,tabagent_runtime=debug"), "{error}");
    };
    let mut sources = file("log = \"nonsense\"");
    refused(&sources, "tabagent.toml");
    variable(&mut sources, "log", "nonsense");
    refused(&sources, "TABAGENT_LOG");
    flag(&mut sources, "log", "nonsense");
    refused(&sources, "--log");
    for (text, meant) in [
        ("dbug", Some("`debug`")),
        ("warning", Some("`warn`")),
        ("info,tabagent_runtim", Some("`tabagent_runtime`")),
        ("verbose", None),
        ("hyper", None),
        ("tabagent_apis", Some("`tabagent_api`")),
        ("tabagent_api=loud", None),
        ("tabagent_api=", None),
        ("=debug", None),
        ("in fo=debug", None),
        ("[span", None),
        (" , ", None),
        ("", None),
    ] {
        let error = LogFilter::parse(text).unwrap_err();
        let found = error.split_once("did you mean ").and_then(|(_, rest)| rest.split_once('?'));
        assert_eq!(found.map(|(word, _)| word), meant, "{text}: {error}");
    }
    for (text, kept) in [
        ("WARN", "WARN"),
        ("off", "off"),
        (" info, hyper=debug ,", "info,hyper=debug"),
        ("tabagent_api::server", "tabagent_api::server"),
        ("warn,onnxruntime", "warn,onnxruntime"),
        ("tabagent_api[request{route=x}]=trace", "tabagent_api[request{route=x}]=trace"),
    ] {
        assert_eq!(LogFilter::parse(text), Ok(LogFilter(kept.to_owned())), "{text}");
    }
}

#[test]
fn beyond_loopback_there_must_be_a_key() {
    for host in ["0.0.0.0", "::", "192.168.1.7"] {
        let mut sources = Sources::default();
        flag(&mut sources, "host", host);
        let error = Config::load(&sources).unwrap_err().to_string();
        assert!(error.contains("TABAGENT_API_KEY") && error.contains(host), "{error}");
        variable(&mut sources, "api-key", "secret");
        let config = Config::load(&sources).unwrap();
        assert!(config.api().allow_ip_hosts && config.compresses());
    }
    let config = Config::load(&Sources::default()).unwrap();
    assert!(!config.api().allow_ip_hosts && !config.compresses());
}

#[test]
fn a_cache_without_its_unit_is_refused() {
    let cache = |text: &str| {
        let mut sources = Sources::default();
        flag(&mut sources, "cache", text);
        Config::load(&sources).map(|config| config.runtime().cache_bytes)
    };
    let error = cache("4").unwrap_err().to_string();
    assert!(error.contains("`cache` is 4 bytes (--cache)") && error.contains("2GiB"), "{error}");
    assert_eq!(cache("64KiB").unwrap(), Some(64 << 10));
}

#[test]
fn the_key_comes_from_a_file_and_is_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    std::fs::write(&path, "s3cret-from-file\n").unwrap();
    let mut sources = Sources::default();
    flag(&mut sources, KEY_FILE, path.to_str().unwrap());
    let config = Config::load(&sources).unwrap();
    assert!(config.api_key.as_ref().unwrap().matches(b"s3cret-from-file"));
    let shown = format!("{config:?} {:?}", config.rows());
    assert!(!shown.contains("s3cret"), "{shown}");

    variable(&mut sources, "api-key", "another");
    assert!(Config::load(&sources).unwrap_err().to_string().contains("both set"));
    std::fs::write(&path, "two words").unwrap();
    sources.environment.clear();
    assert!(Config::load(&sources).is_err());
    std::fs::remove_file(&path).unwrap();
    assert!(Config::load(&sources).unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn origins_and_hosts_are_held_to_their_grammar() {
    for text in ["https://a.example/", "chrome-extension://abcdef", "http://localhost:3000"] {
        assert!(OriginName::parse(text).is_ok(), "{text}");
    }
    for text in ["*", "a.example", "https://", "https://a.example/path", "https://user@a.example", "null", ""]
    {
        assert!(OriginName::parse(text).is_err(), "{text}");
    }
    for text in ["http://a.lan", "a.lan:80", "", "*.lan", "-a"] {
        assert!(HostName::parse(text).is_err(), "{text}");
    }
}
