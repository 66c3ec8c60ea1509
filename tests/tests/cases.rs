//! Every case of every route of the server, through the real router, on the real runtime with its embedded models.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tabagent_api::server::build_app;
use tabagent_api::server::config::{Config, Sources};
use tabagent_runtime::hub::{HubOptions, JobState};
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};
use tabagent_runtime::{
    Append, BackendError, DocumentContent, IngestRequest, MessageBody, NewMessage, StoredResponse,
};
use tabagent_tests::hub::{Hub as Remote, Repository};

fn main() -> ExitCode {
    // A models folder of its own: what is there is embedded, or put there for the cases of pulling and deleting.
    let models = std::env::temp_dir().join(format!("tabagent-cases-{}", std::process::id()));
    let code = tabagent_api::testing::run(|| -> Result<_, String> {
        std::fs::create_dir_all(&models).map_err(|error| error.to_string())?;
        let config = Config::load(&Sources::default()).map_err(|error| error.to_string())?;
        let remote = Remote::start();
        // Two, since cases run side by side and one repository is pulled in one way at a time.
        for repository in ["example/small", "example/other"] {
            remote.put(repository, small_model());
        }
        let hub = HubOptions {
            endpoint: remote.url(),
            allowed_hosts: vec![remote.files.to_string()],
            token: None,
            cache: None,
            ..HubOptions::default()
        };
        let options = RuntimeOptions { models_dir: models.clone(), hub, ..RuntimeOptions::default() };
        let to_delete = models.join("example/to-delete");
        std::fs::create_dir_all(&to_delete)
            .and_then(|()| std::fs::write(to_delete.join("config.json"), "{}"))
            .map_err(|error| error.to_string())?;
        let runtime = Runtime::start(options).map_err(|error| error.to_string())?;
        pulled(&runtime, "pull_example")?;
        // Cases are constants, and the ids of responses are not: these are there before the first case.
        for id in ["resp_example", "resp_to_delete"] {
            tokio::runtime::Handle::current()
                .block_on(runtime.keep_response(stored(id)))
                .map_err(|error| error.to_string())?;
        }
        // The oldest one first: the cases of the list know both ends.
        for id in ["session_example", "session_to_keep", "session_to_delete"] {
            tokio::runtime::Handle::current()
                .block_on(runtime.append_messages(session(id)))
                .map_err(|error| error.to_string())?;
        }
        let mut unanswered = session("session_to_respond");
        unanswered.messages.truncate(1);
        tokio::runtime::Handle::current()
            .block_on(runtime.append_messages(unanswered))
            .map_err(|error| error.to_string())?;
        for id in ["doc_example", "doc_to_delete"] {
            tokio::runtime::Handle::current()
                .block_on(runtime.ingest(document(id), |_| {}))
                .map_err(|error| error.to_string())?;
        }
        build_app(&config, runtime).mount().map_err(|error| error.to_string())
    });
    std::fs::remove_dir_all(&models).ok();
    code
}

/// A model whose files can be pulled, and are never run.
fn small_model() -> Repository {
    Repository::default()
        .with("config.json", r#"{"architectures": ["BertModel"]}"#)
        .with("tokenizer.json", "{}")
        .with("onnx/model.onnx", vec![0; 4096])
}

/// Pulls it under this id, to its end.
fn pulled(runtime: &Runtime, id: &str) -> Result<(), String> {
    let reference = "example/small".parse().map_err(|error: BackendError| error.to_string())?;
    runtime.hub().pull_as(id, &reference).map_err(|error| error.to_string())?;
    for _ in 0..1000 {
        match runtime.hub().job(id) {
            Some(job) if job.state == JobState::Completed => return Ok(()),
            Some(job) if !job.state.is_over() => std::thread::sleep(Duration::from_millis(10)),
            job => return Err(format!("{job:?}")),
        }
    }
    Err("a pull of four kilobytes takes over ten seconds".to_owned())
}

/// A document of this id.
fn document(id: &str) -> IngestRequest {
    let text = "# Install\n\nUnpack the archive, then start the program.\n\n# Use\n\nAsk it anything.";
    let metadata = json!({ "about": "examples", "year": 2026 });
    IngestRequest {
        id: Some(id.to_owned()),
        content: DocumentContent::Text(text.to_owned()),
        media_type: Some("text/markdown".to_owned()),
        source: Some("docs/example.md".to_owned()),
        title: Some("The example".to_owned()),
        metadata: metadata.as_object().cloned(),
        ..IngestRequest::default()
    }
}

/// A stored response of this id.
fn stored(id: &str) -> StoredResponse {
    let created = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
    let message = |id: &str, role: &str, kind: &str, text: &str| -> Value {
        json!({ "id": id, "type": "message", "role": role, "status": "completed", "content": [{ "type": kind, "text": text }] })
    };
    let answer = message("msg_3", "assistant", "output_text", "I am TabAgent, a local AI server.");
    StoredResponse {
        id: id.to_owned(),
        created,
        previous: None,
        input: json!([
            message("msg_1", "developer", "input_text", "Be brief."),
            message("msg_2", "user", "input_text", "Who are you?"),
        ]),
        response: json!({
            "id": id, "object": "response", "created_at": created, "status": "completed", "completed_at": created,
            "background": false, "model": "tabagent-chat", "output": [answer], "parallel_tool_calls": true,
            "reasoning": {}, "service_tier": "default", "store": true, "text": { "format": { "type": "text" } },
            "tool_choice": "auto", "tools": [], "top_logprobs": 0, "truncation": "disabled", "metadata": {},
        }),
    }
}

/// A question and its answer, which begin a session of this id.
fn session(id: &str) -> Append {
    let message = |id: &str, role: &str, text: &str| NewMessage {
        id: id.to_owned(),
        body: MessageBody {
            role: role.to_owned(),
            content: json!({ "role": role, "content": text }),
            metadata: json!({}),
        },
    };
    let messages = vec![
        message("msg_1", "user", "Who are you?"),
        message("msg_2", "assistant", "I am TabAgent, a local AI server."),
    ];
    Append { title: Some("An example".to_owned()), ..Append::of(id, messages) }
}
