//! A handler that panics where the rule `handler-panics` cannot see it: an index beyond the end.

use std::convert::Infallible;
use std::net::SocketAddr;

use tabagent_api::{Json, Path, route};
use tabagent_tests::http::exchange;
use tabagent_tests::problem::assert_problem;

/// Take one of three.
#[route(
    GET, "/threes/{index}",
    tests = [case("the second", path = { index: "1" }, status = 200, check = |number: &u32| *number == 20)],
)]
pub(crate) async fn one_of_three(Path(index): Path<u32>) -> Result<Json<u32>, Infallible> {
    let three: Vec<u32> = vec![10, 20, 30];
    Ok(Json(three[index as usize]))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_handler_that_panics_is_a_problem_and_the_server_goes_on() {
    let app = tabagent_api::app! { crates: [it] }.mount().unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app.router).await });
    tokio::task::spawn_blocking(move || {
        for _ in 0..3 {
            let response = exchange(address, "GET", "/threes/3", &[("x-request-id", "panic-1")], b"");
            let body = assert_problem(&response, 500, "api-internal");
            assert_eq!(body["request_id"], "panic-1");
            // What the handler said is for the log: it may hold what a client must not see.
            assert!(!response.text().contains("index out of bounds"), "{}", response.text());
            assert_eq!(exchange(address, "GET", "/threes/1", &[], b"").json(), 20);
        }
    })
    .await
    .unwrap();
}
