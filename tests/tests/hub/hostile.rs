//! A hub that is not honest: where it leads to, what it calls its files, what lies in their way here.

use tabagent_runtime::BackendError;
use tabagent_runtime::hub::{HubOptions, JobState, Token};
use tabagent_tests::hub::{Hub as Remote, Repository};

use super::{assert_says, assert_setting, embedder, failure, files, hub, options, pull};

#[test]
fn redirects_to_hosts_that_nobody_named_are_refused() {
    let remote = Remote::start();
    let other = Remote::start();
    remote.put("o/n", embedder());
    other.put("o/n", embedder());
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    for (leads_to, says) in [
        ("https://evil.example".to_owned(), "`evil.example` is none of the hub's hosts"),
        ("http://evil.example".to_owned(), "not asked over https"),
        ("https://10.0.0.1".to_owned(), "`10.0.0.1` is an address"),
        ("https://169.254.169.254".to_owned(), "`169.254.169.254` is an address"),
        ("https://[fd00::1]".to_owned(), "`fd00::1` is an address"),
        (format!("http://{}", other.address), "is on loopback"),
        ("http://localhost:1".to_owned(), "is on loopback"),
        ("https://huggingface.co@evil.example".to_owned(), "user name"),
        ("file:///etc".to_owned(), "is no address"),
    ] {
        remote.behave(|behaviour| behaviour.leads_to = Some(leads_to.clone()));
        let error = failure(&hub, "o/n");
        assert_says(&error, &[says]);
        assert!(matches!(&error, BackendError::ConfigurationError { .. }), "{error:?}");
        assert!(files(models.path()).is_empty(), "{leads_to}");
    }
    assert!(other.requests().is_empty(), "nobody else was asked");
}

#[test]
fn the_token_goes_to_the_hub_and_nowhere_else() {
    let remote = Remote::start();
    remote.put("o/n", embedder());
    remote.behave(|behaviour| behaviour.token = Some("hf_secret".to_owned()));
    let models = tempfile::tempdir().unwrap();
    let without = failure(&hub(models.path(), options(&remote)), "o/n");
    assert!(matches!(&without, BackendError::ModelNotFound { model } if model == "o/n"), "{without:?}");
    let options = HubOptions { token: Some(Token::new("hf_secret")), ..options(&remote) };
    assert!(!format!("{options:?}").contains("hf_secret"));
    assert_eq!(pull(&hub(models.path(), options), "o/n").state, JobState::Completed);
    let (files, own): (Vec<_>, Vec<_>) = remote.requests().into_iter().partition(|request| request.files);
    assert!(!files.is_empty() && files.iter().all(|request| !request.headers.contains_key("authorization")));
    assert!(own.iter().skip(1).all(|request| request.headers["authorization"] == "Bearer hf_secret"));
}

#[test]
fn a_gated_repository_tells_what_to_do() {
    let remote = Remote::start();
    remote.put("o/n", embedder());
    remote.behave(|behaviour| {
        behaviour.gated = true;
        behaviour.token = Some("hf_right".to_owned());
    });
    let models = tempfile::tempdir().unwrap();
    let error = failure(&hub(models.path(), options(&remote)), "o/n");
    assert_setting(
        &error,
        "HF_TOKEN",
        &["gated", "accept its conditions", "Access to this model is restricted"],
    );
}

#[test]
fn names_that_lead_out_of_the_folder_are_refused_by_name() {
    let remote = Remote::start();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(&models.path().join("models"), options(&remote));
    for name in [
        "../config.json",
        "onnx/../../../evil.json",
        "/etc/evil.json",
        "onnx\\..\\evil.onnx",
        "C:evil.onnx",
        "onnx//model.onnx",
        "./config.json",
    ] {
        remote.put("o/n", embedder().with(name, "evil"));
        let error = failure(&hub, "o/n");
        assert_setting(&error, "hub-endpoint", &["the file name `", &name.replace("..\\", "..")[..4]]);
    }
    assert!(files(models.path()).is_empty());
    assert_eq!(remote.served(), 0);
}

#[test]
fn ids_that_are_no_repositories_never_reach_the_hub() {
    let remote = Remote::start();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    for id in ["../../etc", "a/..", "a", "a/b/c", "a/b?x=y", "http://h/a/b", "a\\b/c"] {
        assert!(id.parse::<tabagent_runtime::hub::Reference>().is_err(), "{id}");
    }
    assert!(hub.jobs().is_empty() && remote.requests().is_empty());
}

#[cfg(unix)]
#[test]
fn links_on_the_way_are_not_followed() {
    use std::os::unix::fs::symlink;

    let remote = Remote::start();
    remote.put("o/n", embedder());
    let outside = tempfile::tempdir().unwrap();
    // The owner's folder, the model itself, the folder of all pulls, the folder of this one, a folder of its files.
    for link in
        ["o", "o/n", ".pull", ".pull/o--n", ".pull/o--n/files", ".pull/o--n/files/onnx", ".pull/o--n/parts"]
    {
        let models = tempfile::tempdir().unwrap();
        let path = models.path().join(link);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(outside.path(), &path).unwrap();
        let error = failure(&hub(models.path(), options(&remote)), "o/n");
        assert_says(&error, &["is a link", &format!("/{link}")]);
    }
    assert!(files(outside.path()).is_empty(), "nothing came outside");
}

#[cfg(unix)]
#[test]
fn deleting_stays_within_the_models_folder() {
    use std::os::unix::fs::symlink;

    let remote = Remote::start();
    let outside = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(outside.path().join("m")).unwrap();
    std::fs::write(outside.path().join("m/config.json"), "{}").unwrap();
    let models = tempfile::tempdir().unwrap();
    let place = |name: &str| {
        let folder = models.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("config.json"), "{}").unwrap();
    };
    place("o/one");
    place("o/two");
    place("o/two/1_Pooling");
    symlink(outside.path(), models.path().join("out")).unwrap();
    symlink(outside.path(), models.path().join("o/two/inner")).unwrap();
    symlink(models.path().join("o/one"), models.path().join("alias")).unwrap();
    let hub = hub(models.path(), options(&remote));
    for id in ["out/m", "../m", "o", "", ".pull", "o/three", "o/two/1_Pooling", "/etc"] {
        let error = hub.delete(id).unwrap_err();
        assert!(matches!(&error, BackendError::ModelNotFound { .. }), "{id}: {error:?}");
    }
    assert!(matches!(hub.delete("tabagent-embed").unwrap_err(), BackendError::InvalidInput { .. }));
    hub.delete("alias").unwrap();
    assert!(models.path().join("o/one/config.json").is_file(), "a link goes, and what it leads to stays");
    hub.delete("o/two").unwrap();
    hub.delete("o/one").unwrap();
    assert!(!models.path().join("o").exists());
    assert!(outside.path().join("m/config.json").is_file());
}

#[test]
fn a_model_that_was_not_pulled_is_not_replaced() {
    let remote = Remote::start();
    remote.put("o/n", embedder());
    let models = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(models.path().join("o/n")).unwrap();
    std::fs::write(models.path().join("o/n/config.json"), "mine").unwrap();
    let error = failure(&hub(models.path(), options(&remote)), "o/n");
    assert_says(&error, &["was not pulled", "tabagent rm o/n"]);
    assert_eq!(std::fs::read(models.path().join("o/n/config.json")).unwrap(), b"mine");
}

#[test]
fn an_answer_that_is_no_list_of_files_is_told() {
    let remote = Remote::start();
    let models = tempfile::tempdir().unwrap();
    let hub = hub(models.path(), options(&remote));
    remote.put("o/n", Repository::default().with("model.onnx", "x").with("modules.json", "no json"));
    let error = failure(&hub, "o/n");
    assert!(matches!(&error, BackendError::ModelCorrupted { .. }), "{error:?}");
    assert_says(&error, &["modules.json"]);
}
