//! The store: notes by title, bounded.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// Notes by title, at most as many as the capacity.
#[derive(Debug)]
pub struct Notes {
    capacity: usize,
    by_title: Mutex<BTreeMap<String, String>>,
}

/// Why a note was not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is a note of this title.
    Taken,
    /// There are as many notes as the store holds.
    Full {
        /// How many that is.
        capacity: usize,
    },
}

impl Notes {
    /// A store of at most `capacity` notes, with one that says hello.
    pub fn with_capacity(capacity: usize) -> Self {
        let welcome = ("welcome".to_owned(), "POST /v1/notes keeps another one".to_owned());
        Self { capacity, by_title: Mutex::new(BTreeMap::from([welcome])) }
    }

    /// Keeps a note.
    ///
    /// # Errors
    /// When its title is taken or the store is full.
    pub fn keep(&self, title: &str, text: &str) -> Result<(), Refusal> {
        // A panic elsewhere cannot leave a map half changed, so a poisoned lock is as good as any.
        let mut notes = self.by_title.lock().unwrap_or_else(PoisonError::into_inner);
        if notes.contains_key(title) {
            return Err(Refusal::Taken);
        }
        if notes.len() >= self.capacity {
            return Err(Refusal::Full { capacity: self.capacity });
        }
        notes.insert(title.to_owned(), text.to_owned());
        Ok(())
    }

    /// The text of a note.
    pub fn text(&self, title: &str) -> Option<String> {
        self.by_title.lock().unwrap_or_else(PoisonError::into_inner).get(title).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_as_many_notes_as_it_holds() {
        let notes = Notes::with_capacity(2);
        assert_eq!(notes.keep("welcome", "again"), Err(Refusal::Taken));
        assert_eq!(notes.keep("one", "1"), Ok(()));
        assert_eq!(notes.keep("two", "2"), Err(Refusal::Full { capacity: 2 }));
        assert_eq!(notes.text("one").as_deref(), Some("1"));
        assert_eq!(notes.text("two"), None);
    }
}
