//! Every case of every route of the server, through the real router, on the real runtime with its embedded models.

use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tabagent_api::server::build_app;
use tabagent_api::server::config::{Config, Sources};
use tabagent_runtime::StoredResponse;
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};

fn main() -> ExitCode {
    // An empty models folder: what is there is embedded.
    let models = std::env::temp_dir().join(format!("tabagent-cases-{}", std::process::id()));
    let code = tabagent_api::testing::run(|| -> Result<_, String> {
        std::fs::create_dir_all(&models).map_err(|error| error.to_string())?;
        let config = Config::load(&Sources::default()).map_err(|error| error.to_string())?;
        let options = RuntimeOptions { models_dir: models.clone(), ..RuntimeOptions::default() };
        let runtime = Runtime::start(options).map_err(|error| error.to_string())?;
        // Cases are constants, and the ids of responses are not: these are there before the first case.
        for id in ["resp_example", "resp_to_delete"] {
            tokio::runtime::Handle::current()
                .block_on(runtime.keep_response(stored(id)))
                .map_err(|error| error.to_string())?;
        }
        build_app(&config, runtime).mount().map_err(|error| error.to_string())
    });
    std::fs::remove_dir_all(&models).ok();
    code
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
