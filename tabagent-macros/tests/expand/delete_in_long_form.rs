/// Remove a model.
#[route(
    method = DELETE,
    path = "/v1/models/{*model_id}",
    tests = [
        case("gone", path = { model_id: "a/b" }, status = 204),
        case("never there", path = { model_id: "x" }, problem = RemoveError::NotFound),
    ],
)]
async fn remove(Path(place): Path<Place>) -> RemoveResult<NoContent> {
    Ok(NoContent)
}
