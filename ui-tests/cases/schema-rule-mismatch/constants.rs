//! Bounds whose value only the compiler sees.

use serde::Deserialize;
use tabagent_api::Schema;

const LESS: i32 = -1;
const LOW: usize = 10;

#[derive(Deserialize, Schema)]
struct Sizes {
    #[rule(length(max = LESS))]
    constant: String,
    #[rule(length(max = 3 - 5))]
    computed: String,
    #[rule(length(min = LOW, max = 3))]
    crossed: String,
    #[rule(items(max = 0.5 * 3.0), each(range(min = 7, max = LOW - 5)))]
    part: Vec<u32>,
    #[rule(range(max = f64::NAN))]
    no_number: f64,
    #[rule(range(max = 1e39))]
    single: f32,
    #[rule(range(min = 0.5, max = 0.6))]
    between: u8,
}

fn main() {}
