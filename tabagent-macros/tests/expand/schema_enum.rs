/// What to do.
#[derive(Deserialize, Schema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Step {
    /// Wait.
    Wait,
    Say {
        #[rule(length(max = 10))]
        text: String,
    },
    Go(Place),
}
