/// A request.
#[derive(Deserialize, Schema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[rule(custom(one_of_both))]
pub struct Ask {
    /// The text.
    #[rule(length(min = 1, max = MAX), pattern("^[a-z]+$"), example = "hello")]
    long_text: String,
    #[rule(items(max = 3), each(not_empty, length(max = 4)))]
    #[serde(default, alias = "labels")]
    tags: Vec<String>,
    #[rule(range(min = 0, max = 2.5))]
    heat: Option<f32>,
    inner: Option<Inner>,
    #[serde(skip)]
    cache: u8,
}
