//! Every case of every route of the server, through the real router, on the real runtime with its embedded models.

use std::process::ExitCode;

use tabagent_api::server::build_app;
use tabagent_api::server::config::{Config, Sources};
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};

fn main() -> ExitCode {
    // An empty models folder: what is there is embedded.
    let models = std::env::temp_dir().join(format!("tabagent-cases-{}", std::process::id()));
    let code = tabagent_api::testing::run(|| -> Result<_, String> {
        std::fs::create_dir_all(&models).map_err(|error| error.to_string())?;
        let config = Config::load(&Sources::default()).map_err(|error| error.to_string())?;
        let options = RuntimeOptions { models_dir: models.clone(), ..RuntimeOptions::default() };
        let runtime = Runtime::start(options).map_err(|error| error.to_string())?;
        build_app(&config, runtime).mount().map_err(|error| error.to_string())
    });
    std::fs::remove_dir_all(&models).ok();
    code
}
