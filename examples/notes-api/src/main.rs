//! The program: names the crate, provides what its routes need, serves.

#![forbid(unsafe_code)]

use std::error::Error;
use std::io::Write as _;

use notes_api::Notes;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    // Naming the crate links its routes and allows them; a crate that is not named here adds nothing.
    let app = tabagent_api::app! { crates: [notes_api] }.provide(Notes::with_capacity(1000)).mount()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    axum::serve(listener, app.router).await?;
    Ok(())
}
