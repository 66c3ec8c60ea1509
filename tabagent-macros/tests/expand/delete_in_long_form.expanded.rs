/// Remove a model.
async fn remove(Path(place): Path<Place>) -> RemoveResult<NoContent> {
    Ok(NoContent)
}
::core::compile_error! {
    "[route::status-mismatch] the case \"gone\" expects 204, and a success of this route is 200\n  help: say `status = 204` on the route, or expect 200"
}
