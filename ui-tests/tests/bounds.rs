//! Bounds of every size compile, stand in the schema as they were written, and are enforced.
#![allow(missing_docs, clippy::unwrap_used, reason = "a test fails by panicking")]

use serde::Deserialize;
use serde_json::{Value, json};
use tabagent_api::__private::garde::Validate as _;
use tabagent_api::__private::utoipa::PartialSchema as _;
use tabagent_api::Schema;

const MOST: u64 = 6_000_000_000;

#[derive(Debug, Deserialize, Schema)]
struct Sizes {
    #[rule(range(min = 3_000_000_000, max = 5_000_000_000))]
    whole: u64,
    #[rule(range(min = -5_000_000_000, max = 9_007_199_254_740_991))]
    signed: i64,
    #[rule(range(min = -5_000_000_000, max = 5e9))]
    real: f64,
    #[rule(range(min = 0x1_0000_0000, max = MOST))]
    named: Option<u64>,
    #[rule(range(max = 1 << 40))]
    computed: Option<u64>,
    #[rule(range(min = 0.1, max = 0.7))]
    part: Option<f32>,
    #[rule(range(min = 0, max = 255))]
    small: Option<u8>,
    #[rule(length(max = 5_000_000_000))]
    text: Option<String>,
    #[rule(items(max = 5_000_000_000), each(range(max = 4_294_967_295)))]
    list: Option<Vec<u32>>,
}

fn wrong(json: Value) -> Vec<String> {
    let sizes: Sizes = serde_json::from_value(json).unwrap();
    sizes.validate().err().map_or_else(Vec::new, |report| {
        report.iter().map(|(path, error)| format!("{path}: {error}")).collect()
    })
}

#[test]
fn bounds_are_enforced_to_the_last_number() {
    let right = json!({ "whole": 5_000_000_000_u64, "signed": -5_000_000_000_i64, "real": -5e9,
        "named": 6_000_000_000_u64, "computed": 1_u64 << 40, "list": [4_294_967_295_u32] });
    assert_eq!(wrong(right), [""; 0]);
    for part in [0.1, 0.3, 0.7] {
        assert_eq!(
            wrong(json!({ "whole": 3_000_000_000_u64, "signed": 0, "real": 0, "part": part })),
            [""; 0]
        );
    }
    let beyond = json!({ "whole": 5_000_000_001_u64, "signed": -5_000_000_001_i64, "real": 5_000_000_000.5,
        "named": 4_294_967_295_u32, "computed": (1_u64 << 40) + 1, "part": 0.7001 });
    assert_eq!(
        wrong(beyond),
        [
            "whole: must be at most 5000000000",
            "signed: must be at least -5000000000",
            "real: must be at most 5000000000",
            "named: must be at least 4294967296",
            "computed: must be at most 1099511627776",
            "part: must be at most 0.7",
        ]
    );
}

#[test]
fn the_schema_has_the_bounds_as_they_were_written() {
    let schema = serde_json::to_value(Sizes::schema()).unwrap();
    let bounds = |field: &str| {
        let field = &schema["properties"][field];
        (field["minimum"].to_string(), field["maximum"].to_string())
    };
    let expected = |min: &str, max: &str| (min.to_owned(), max.to_owned());
    assert_eq!(bounds("whole"), expected("3000000000", "5000000000"));
    assert_eq!(bounds("signed"), expected("-5000000000", "9007199254740991"));
    assert_eq!(bounds("real"), expected("-5000000000", "5000000000"));
    assert_eq!(bounds("named"), expected("4294967296", "6000000000"));
    assert_eq!(bounds("computed"), expected("0", "1099511627776"));
    assert_eq!(schema["properties"]["text"]["maxLength"], 5_000_000_000_u64);
    assert_eq!(schema["properties"]["list"]["maxItems"], 5_000_000_000_u64);
}
