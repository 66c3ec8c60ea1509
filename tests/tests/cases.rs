//! Every case of every route of the server, through the real router, on the real runtime with its embedded model and the
//! small models of the fixtures.

use std::path::Path;
use std::process::ExitCode;

use tabagent_api::server::build_app;
use tabagent_api::server::config::{Config, Sources};
use tabagent_runtime::runtime::{Runtime, RuntimeOptions};

fn main() -> ExitCode {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tabagent-runtime/tests/fixtures");
    tabagent_api::testing::run(|| -> Result<_, String> {
        let config = Config::load(&Sources::default()).map_err(|error| error.to_string())?;
        let options = RuntimeOptions { models_dir: models.clone(), ..RuntimeOptions::default() };
        let runtime = Runtime::start(options).map_err(|error| error.to_string())?;
        build_app(&config, runtime).mount().map_err(|error| error.to_string())
    })
}
