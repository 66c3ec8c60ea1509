//! Every case of the crate's routes, through the real router.

use std::process::ExitCode;

use notes_api::Notes;

fn main() -> ExitCode {
    tabagent_api::testing::run(|| {
        tabagent_api::app! { crates: [notes_api] }.provide(Notes::with_capacity(1000)).mount()
    })
}
