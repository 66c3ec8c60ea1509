//! Maximal marginal relevance against the formula as the reference script has it, and recommendations made with it.

use proptest::prelude::*;
use serde::Deserialize;
use tabagent_runtime::analytics::{Distance, Space, diversity::order, recommend::recommend};

use super::{assert_close, matrix, reference};

#[derive(Deserialize)]
pub(crate) struct Diversity {
    query: Vec<f32>,
    items: Vec<Vec<f32>>,
    relevance: Vec<f64>,
    orders: Vec<Order>,
}

#[derive(Deserialize)]
struct Order {
    diversity: f64,
    order: Vec<usize>,
}

fn space(rows: &[Vec<f32>]) -> Space {
    Space::new(&matrix(rows), Distance::Cosine)
}

#[test]
fn recommendations_have_the_order_of_the_formula() {
    let reference = &reference().diversity;
    let (query, items) = (space(std::slice::from_ref(&reference.query)), space(&reference.items));
    for wanted in &reference.orders {
        let ranked = |top_n| recommend(&[&query], None, &items, wanted.diversity, top_n, &|| false).unwrap();
        let found = ranked(None);
        let order: Vec<usize> = found.iter().map(|ranked| ranked.index).collect();
        assert_eq!(order, wanted.order, "diversity {}", wanted.diversity);
        for ranked in &found {
            assert_close(ranked.score, reference.relevance[ranked.index], "score");
        }
        assert_eq!(ranked(Some(7)), found[..7]);
        assert_eq!(ranked(Some(1000)), found);
    }
}

#[test]
fn what_is_disliked_moves_what_is_wanted_away() {
    let items = space(&[vec![1.0, 0.0], vec![0.8, 0.6], vec![0.8, -0.6]]);
    let (liked, disliked) = (space(&[vec![2.0, 0.0]]), space(&[vec![0.0, 9.0]]));
    let first = |disliked| recommend(&[&liked], disliked, &items, 0.0, None, &|| false).unwrap();
    let scores = |disliked| first(disliked).iter().map(|ranked| ranked.index).collect::<Vec<_>>();
    assert_eq!(scores(None), [0, 1, 2]);
    assert_eq!(scores(Some(&disliked)), [2, 0, 1]);
    // What is liked and disliked alike says little: half of it is left.
    assert_eq!(first(Some(&liked)), first(None));
    // Nothing of the wish is left, and nothing is said: cosines with it are 0.
    let nothing = space(&[vec![0.0, 0.0]]);
    let found = recommend(&[&nothing], None, &items, 0.5, None, &|| false).unwrap();
    assert!(found.iter().all(|ranked| ranked.score == 0.0));
}

proptest! {
    #[test]
    fn every_item_comes_once_and_without_diversity_in_the_order_of_relevance(
        relevance in prop::collection::vec(-1.0_f64..1.0, 1..20),
        diversity in 0.0_f64..=1.0,
        count in 0_usize..25,
    ) {
        let like = |a: usize, b: usize| 1.0 - (relevance[a] - relevance[b]).abs();
        let found = order(&relevance, like, diversity, count, &|| false).unwrap();
        prop_assert_eq!(found.len(), count.min(relevance.len()));
        let mut sorted = found.clone();
        sorted.sort_unstable();
        sorted.dedup();
        prop_assert_eq!(sorted.len(), found.len());
        let plain = order(&relevance, like, 0.0, count, &|| false).unwrap();
        prop_assert!(plain.windows(2).all(|pair| relevance[pair[0]] >= relevance[pair[1]]));
    }
}
