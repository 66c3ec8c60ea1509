//! How a vocabulary spells the bytes of its tokens.
//!
//! Byte-level vocabularies (GPT-2 and what came after it) write each byte as a printable character of its own. Those of
//! SentencePiece write a space as U+2581 and a byte that is no text as `<0x0A>`.

use tokenizers::Tokenizer;

/// The spelling of one vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// A character a byte.
    ByteLevel,
    /// Text, with signs for spaces and single bytes.
    SentencePiece {
        /// Whether a space in front of a text is no part of it, since the tokenizer put it there.
        strips: bool,
    },
}

impl Spelling {
    /// By the decoder, which undoes it.
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let decoder = tokenizer.get_decoder().and_then(|decoder| serde_json::to_string(decoder).ok());
        let mentions = |name: &str| decoder.as_ref().is_some_and(|decoder| decoder.contains(name));
        if mentions("\"ByteLevel\"") {
            Self::ByteLevel
        } else {
            let never = mentions("\"prepend_scheme\":\"never\"");
            Self::SentencePiece { strips: mentions("\"Strip\"") || (mentions("\"Metaspace\"") && !never) }
        }
    }

    /// The bytes of a token.
    pub(super) fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => token.chars().flat_map(of_character).collect(),
            Self::SentencePiece { .. } => match of_sign(token) {
                Some(byte) => vec![byte],
                None => token.replace('\u{2581}', " ").into_bytes(),
            },
        }
    }
}

/// The byte that a character of a byte-level vocabulary stands for: itself where it is printable Latin-1; the other bytes
/// are the characters from U+0100 on, in their order. A character that stands for none is text.
fn of_character(c: char) -> Vec<u8> {
    let code = u32::from(c);
    let byte = match code {
        0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff => Some(code),
        // 0x00 to 0x20, then 0x7f to 0xa0, then 0xad.
        0x100..=0x120 => Some(code - 0x100),
        0x121..=0x142 => Some(code - 0x121 + 0x7f),
        0x143 => Some(0xad),
        _ => None,
    };
    match byte.and_then(|byte| u8::try_from(byte).ok()) {
        Some(byte) => vec![byte],
        None => c.to_string().into_bytes(),
    }
}

/// The byte of `<0x0A>`.
fn of_sign(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>').filter(|digits| digits.len() == 2)?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_stand_for_bytes() {
        // bytes_to_unicode() of GPT-2: a space is U+0120, a newline U+010A, 0xAD is U+0143.
        let bytes = Spelling::ByteLevel.bytes("\u{120}a\u{10a}\u{143}\u{e9}\u{121}\u{142}");
        assert_eq!(bytes, [b' ', b'a', b'\n', 0xad, 0xe9, 0x7f, 0xa0]);
        assert_eq!(Spelling::SentencePiece { strips: true }.bytes("\u{2581}a"), b" a");
        assert_eq!(Spelling::SentencePiece { strips: true }.bytes("<0xE4>"), [0xe4]);
    }
}
