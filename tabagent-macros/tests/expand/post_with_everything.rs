/// Embed texts.
///
/// Returns one vector per input.
#[route(
    POST, "/v1/{tenant}/embeddings",
    alias = [deprecated("/{tenant}/embeddings")],
    tag = "inference",
    timeout = "30s",
    body_limit = "16MiB",
    auth = public,
    operation_id = "embed",
    tests = [
        case("one text", path = { tenant: "a/b" }, json = { "input": ["x", 1, null] }, status = 200, check = |r| r.data.len() == 1),
        case("bytes", path = { tenant: "t" }, body = b"\xff", content_type = "application/json", headers = { "x-a": "b" }, query = { k: [1, 2] }, problem = ApiError::BodyMalformed),
        untested(Busy, "nothing here is ever busy"),
    ],
)]
#[deprecated]
pub async fn embeddings(
    runtime: Component<Runtime>,
    Path(_tenant): Path<String>,
    Json(mut request): Json<EmbeddingRequest>,
) -> Result<Json<EmbeddingResponse>, EmbeddingError> {
    runtime.embed(&mut request).await
}
