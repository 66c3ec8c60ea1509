/// Answer.
#[route(GET, "/v1/answer", tests = [case("one", status = 200, check = says_yes)])]
pub async fn answer() -> Result<Json<Answer>, Infallible> {
    Ok(Json(Answer::yes()))
}
