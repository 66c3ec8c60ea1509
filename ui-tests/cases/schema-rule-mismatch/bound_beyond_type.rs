//! Bounds that no value of the field's type reaches.

use serde::Deserialize;
use tabagent_api::Schema;

type Count = u32;

const MOST: u64 = 1 << 60;

#[derive(Deserialize, Schema)]
struct Ask {
    #[rule(range(max = 300))]
    small: u8,
    #[rule(range(min = -1))]
    count: Option<Count>,
    #[rule(range(min = 1, max = MOST))]
    wide: u64,
    #[rule(items(max = 3), each(range(min = -129, max = 127)))]
    list: Vec<i8>,
}

fn main() {}
