//! The binary `tabagent`.

use std::process::ExitCode;

fn main() -> ExitCode {
    tabagent_api::server::main()
}
