//! The words of a query that are looked for.

/// Words of a query that are looked for; the rest of a longer one is passed over.
const MOST: usize = 64;

/// Words that hold English sentences together, sorted. A question has many of them and a passage that answers it others, so
/// they lead to passages that ask alike; and most of the time of a search goes into them. Left out are those that are more than
/// that where code or another language is read, such as `if`, `will`, `die`.
const FUNCTION_WORDS: [&str; 66] = [
    "a", "an", "and", "are", "as", "at", "be", "been", "but", "by", "can", "could", "did", "do", "does",
    "for", "from", "had", "has", "have", "he", "her", "his", "how", "i", "in", "into", "is", "it", "its",
    "me", "my", "nor", "of", "on", "our", "she", "should", "so", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "to", "was", "we", "were", "what", "when", "where",
    "which", "who", "whom", "whose", "why", "with", "would", "you", "your",
];

/// The words of a text, each once, in small letters; function words only where there are no others.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for word in text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let word = word.to_lowercase();
        if !all.contains(&word) {
            all.push(word);
        }
        if all.len() == MOST {
            break;
        }
    }
    let tells = |word: &&String| FUNCTION_WORDS.binary_search(&word.as_str()).is_err();
    let telling: Vec<String> = all.iter().filter(tells).cloned().collect();
    if telling.is_empty() { all } else { telling }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_tell_nothing_are_looked_for_where_there_are_no_others() {
        assert!(FUNCTION_WORDS.is_sorted());
        assert_eq!(words("When was the Café closed, and why the café?"), ["café", "closed"]);
        assert_eq!(words("To be, or not to be"), ["or", "not"]);
        assert_eq!(words("What is it?"), ["what", "is", "it"]);
        assert_eq!(words("\"... !"), [""; 0]);
    }
}
