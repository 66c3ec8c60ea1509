//! Documents and queries of `retrieval`: texts around topics, so that their vectors lie about as those of real texts do. The
//! words of a topic are alike: words that were drawn by chance would all be about the same on average.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::texts::{Random, WORDS};
use crate::{Failure, cargo};

/// Sections of a document. Each is a chunk: it has a heading, and fewer words than a chunk may have tokens.
pub(super) const SECTIONS: usize = 10;
/// Topics, and the words that each has more than others.
const TOPICS: usize = 500;
const OF_TOPIC: usize = 30;
/// Words of a section and of a query, fewest and one more than most.
const IN_SECTION: (usize, usize) = (24, 49);
const IN_QUERY: (usize, usize) = (6, 13);
/// Words of a sentence.
const IN_SENTENCE: usize = 12;

/// Fields of the metadata, each with how many values it has: a filter for one value passes one document in so many.
pub(super) const FIELDS: [(&str, usize); 2] = [("tenth", 10), ("hundredth", 100)];

/// The words, and which of them are of which topic.
#[derive(Debug)]
pub(super) struct Corpus {
    words: Vec<String>,
    /// Places of words.
    topics: Vec<Vec<usize>>,
}

#[derive(Deserialize)]
struct Tokenizer {
    model: Vocabulary,
}

#[derive(Deserialize)]
struct Vocabulary {
    vocab: Map<String, Value>,
}

/// The words: those of the vocabulary of the model that embeds them.
///
/// # Errors
/// When the model's tokenizer is not where it stands in the repository.
pub(super) fn words() -> Result<Vec<String>, Failure> {
    let path = cargo::root().join("tabagent-runtime/embedded/tabagent-embed/tokenizer.json");
    let tokenizer: Tokenizer = serde_json::from_slice(&std::fs::read(path)?)?;
    let whole = |word: &String| word.len() >= 4 && word.bytes().all(|letter| letter.is_ascii_lowercase());
    let mut words: Vec<String> = tokenizer.model.vocab.into_iter().map(|(word, _)| word).collect();
    words.retain(whole);
    words.sort_unstable();
    Ok(words)
}

impl Corpus {
    /// Topics: each a word, drawn by chance, and those whose vectors are nearest to its own, the nearest first.
    pub(super) fn of(words: Vec<String>, vectors: &[Vec<f64>]) -> Self {
        let mut random = Random(1);
        let topic = |centre: &Vec<f64>| {
            let near = |vector: &Vec<f64>| centre.iter().zip(vector).map(|(a, b)| a * b).sum::<f64>();
            let mut places: Vec<(f64, usize)> = vectors.iter().map(near).zip(0..).collect();
            places.sort_by(|a, b| b.0.total_cmp(&a.0));
            places.into_iter().take(OF_TOPIC).map(|(_, place)| place).collect()
        };
        let topics =
            (0..TOPICS).filter_map(|_| vectors.get(random.below(vectors.len())).map(topic)).collect();
        Self { words, topics }
    }

    /// The request that brings a document in. It has one topic, and each of its sections another one beside it.
    pub(super) fn document(&self, number: usize) -> Value {
        let mut random = Random(1_000_000 + number as u64);
        let topic = random.below(TOPICS);
        let mut text = format!("# {}\n", self.text(&mut random, [topic, topic], 3));
        for _ in 0..SECTIONS {
            let topics = [topic, random.below(TOPICS)];
            let heading = self.text(&mut random, topics, 2);
            let count = IN_SECTION.0 + random.below(IN_SECTION.1 - IN_SECTION.0);
            text += &format!("\n## {heading}\n\n{}\n", self.text(&mut random, topics, count));
        }
        let metadata: Map<String, Value> =
            FIELDS.iter().map(|(name, values)| ((*name).to_owned(), json!(number % values))).collect();
        json!({ "id": format!("d{number}"), "text": text, "media_type": "text/markdown", "metadata": metadata })
    }

    /// So many queries, each about two topics.
    pub(super) fn queries(&self, count: usize) -> Vec<String> {
        let mut random = Random(2);
        (0..count)
            .map(|_| {
                let topics = [random.below(TOPICS), random.below(TOPICS)];
                let words = IN_QUERY.0 + random.below(IN_QUERY.1 - IN_QUERY.0);
                self.text(&mut random, topics, words)
            })
            .collect()
    }

    /// Most words are of the topics, the first of these more often than the last; the others are frequent ones, or any.
    fn text(&self, random: &mut Random, topics: [usize; 2], count: usize) -> String {
        let mut text = String::new();
        for at in 0..count {
            let topic = topics.get(random.below(2)).and_then(|topic| self.topics.get(*topic));
            let word = match (random.below(10), topic) {
                (0..6, Some(topic)) => {
                    let place = random.below(OF_TOPIC).min(random.below(OF_TOPIC));
                    self.words.get(topic.get(place).copied().unwrap_or_default()).map(String::as_str)
                }
                (6..8, _) => WORDS.get(random.below(WORDS.len())).copied(),
                _ => self.words.get(random.below(self.words.len())).map(String::as_str),
            };
            text += word.unwrap_or_default();
            let ends = (at + 1) % IN_SENTENCE == 0;
            text += match at + 1 == count {
                true => "",
                false if ends => ". ",
                false => " ",
            };
        }
        text
    }
}
