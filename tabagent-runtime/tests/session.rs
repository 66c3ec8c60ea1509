//! Opening and running real graphs, whole and damaged.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, its helpers included"
)]

mod support;

use ort::value::{Tensor, TensorElementType};
use support::identity_model;
use tabagent_runtime::BackendError;
use tabagent_runtime::device::{Device, ProviderState};
use tabagent_runtime::hardware;
use tabagent_runtime::library::{self, LibraryOptions};
use tabagent_runtime::session::{ModelSource, Session, SessionOptions, ThreadBudget};

fn options(device: Device) -> SessionOptions {
    library::ensure(&LibraryOptions::default()).unwrap();
    SessionOptions { device, threads: ThreadBudget::of(1), ..SessionOptions::default() }
}

#[test]
fn a_graph_opens_describes_itself_and_runs() {
    let model = identity_model();
    let mut session = Session::open("identity", ModelSource::Bytes(&model), &options(Device::Cpu)).unwrap();
    let input = &session.inputs()[0];
    assert_eq!((input.name.as_str(), input.element_type), ("x", TensorElementType::Float32));
    assert_eq!(input.shape, [None, Some(3)]);
    assert_eq!(input.symbols, ["n", ""]);
    assert_eq!(session.outputs()[0].name, "y");
    let values = Tensor::from_array(([2_usize, 3], vec![1.0_f32, 2.0, 3.0, 4.0, 5.0, 6.0])).unwrap();
    let outputs = session.inner_mut().run(ort::inputs!["x" => values]).unwrap();
    let (shape, values) = outputs["y"].try_extract_tensor::<f32>().unwrap();
    assert_eq!((&shape[..], values), (&[2_i64, 3][..], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
}

#[test]
fn a_file_opens_as_well_as_its_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    std::fs::write(&path, identity_model()).unwrap();
    let session = Session::open("identity", ModelSource::File(&path), &options(Device::Cpu)).unwrap();
    assert_eq!(session.device(), &Device::Cpu);
}

#[test]
fn damaged_graphs_are_called_damaged() {
    let folder = tempfile::tempdir().unwrap();
    let options = options(Device::Cpu);
    let whole = identity_model();
    let opened = |bytes: &[u8]| Session::open("broken", ModelSource::Bytes(bytes), &options);
    let corrupted = |outcome: tabagent_runtime::Result<Session>, what: &str| match outcome {
        Err(BackendError::ModelCorrupted { model, reason }) => {
            assert_eq!(model, "broken");
            reason
        }
        Err(other) => panic!("{what}: {other:?}"),
        Ok(_) => panic!("{what}: opened"),
    };
    assert_eq!(corrupted(opened(b""), "empty"), "the graph is empty");
    corrupted(opened(b"<html>not found</html>"), "a web page");
    corrupted(opened(&[0xff; 4096]), "noise");
    for cut in 1..whole.len() {
        // Protobuf has no end mark: some prefixes are complete messages, and none of those is a graph with an output.
        corrupted(opened(&whole[..cut]), &format!("the first {cut} bytes"));
    }
    // Flipped bytes may give another valid graph; what matters is that each gets an answer.
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x55;
        drop(opened(&flipped));
    }
    let missing = folder.path().join("absent.onnx");
    let reason = corrupted(Session::open("broken", ModelSource::File(&missing), &options), "absent");
    assert!(reason.contains("absent.onnx"), "{reason}");
    corrupted(Session::open("broken", ModelSource::File(folder.path()), &options), "a folder");
}

#[test]
fn auto_reports_every_provider_that_it_passed_over() {
    let session =
        Session::open("identity", ModelSource::Bytes(&identity_model()), &options(Device::Auto)).unwrap();
    assert_ne!(session.device(), &Device::Auto);
    if session.device() == &Device::Cpu {
        let passed: Vec<&str> = session.refused().iter().map(|report| report.name.as_str()).collect();
        let all: Vec<&str> = Device::names().filter(|name| !["auto", "cpu"].contains(name)).collect();
        assert_eq!(passed, all);
    }
    for report in session.refused() {
        assert!(report.reason.as_ref().is_some_and(|reason| !reason.is_empty()), "{report:?}");
    }
}

#[test]
fn a_named_device_that_is_not_there_is_an_error_with_the_way_out() {
    let options = options(Device::Cuda(0));
    let system = hardware::system(std::path::Path::new("models"));
    let cuda = system.execution_providers.iter().find(|report| report.name == "cuda").unwrap();
    let outcome = Session::open("identity", ModelSource::Bytes(&identity_model()), &options);
    match (cuda.state, outcome) {
        (ProviderState::NotOffered, Err(BackendError::ConfigurationError { setting, reason })) => {
            assert_eq!(setting, "device");
            assert!(reason.contains("tabagent runtime install cuda"), "{reason}");
        }
        (ProviderState::Failed, Err(BackendError::CudaError { provider, message, .. })) => {
            assert_eq!(provider, "cuda");
            assert!(!message.is_empty());
        }
        (ProviderState::Usable, Ok(session)) => assert_eq!(session.device(), &Device::Cuda(0)),
        (state, outcome) => panic!("{state:?} does not go with {:?}", outcome.map(|_| "opened")),
    }
}

#[test]
fn the_system_is_described_for_programs() {
    library::ensure(&LibraryOptions::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let system = serde_json::to_value(hardware::system(folder.path())).unwrap();
    assert_eq!(system["os"]["name"], std::env::consts::OS);
    assert_eq!(system["onnx_runtime"]["version"].as_str().unwrap().split('.').next(), Some("1"));
    assert!(system["memory"]["total"].as_u64().unwrap() > 0);
    let providers = system["execution_providers"].as_array().unwrap();
    assert_eq!(providers.last().unwrap()["name"], "cpu");
    assert_eq!(providers.last().unwrap()["state"], "usable");
}

#[test]
fn an_unknown_option_of_a_session_is_refused_with_its_reason() {
    let mut options = options(Device::Cpu);
    options.config.push(("k".repeat(5000), "v".to_owned()));
    let error = Session::open("identity", ModelSource::Bytes(&identity_model()), &options).unwrap_err();
    assert!(
        matches!(&error, BackendError::ConfigurationError { setting, .. } if setting == "session"),
        "{error}"
    );
}
