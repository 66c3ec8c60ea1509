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
    SentencePiece,
}

impl Spelling {
    /// By the decoder, which undoes it.
    pub(super) fn of(tokenizer: &Tokenizer) -> Self {
        let decoder = tokenizer.get_decoder().and_then(|decoder| serde_json::to_string(decoder).ok());
        if decoder.is_some_and(|decoder| decoder.contains("\"ByteLevel\"")) {
            Self::ByteLevel
        } else {
            Self::SentencePiece
        }
    }

    /// The bytes of a token.
    pub(super) fn bytes(self, token: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => token.chars().flat_map(of_character).collect(),
            Self::SentencePiece => match of_sign(token) {
                Some(byte) => vec![byte],
                None => token.replace('\u{2581}', " ").into_bytes(),
            },
        }
    }
}

/// The byte that a character of a byte-level vocabulary stands for: itself where it is printable Latin-1; the other bytes
/// are the characters from U+0100 on, in their order. A character that stands for none is text.
fn of_character(c: char) -> Vec<u8> {
    let printable = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let code = u32::from(c);
    let byte = if printable(&code) {
        Some(code)
    } else {
        (0..=255).filter(|byte| !printable(byte)).nth(code.wrapping_sub(0x100) as usize)
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
        let bytes = Spelling::ByteLevel.bytes("\u{120}a\u{10a}\u{143}\u{e9}");
        assert_eq!(bytes, [b' ', b'a', b'\n', 0xad, 0xe9]);
        assert_eq!(Spelling::SentencePiece.bytes("\u{2581}a"), b" a");
        assert_eq!(Spelling::SentencePiece.bytes("<0xE4>"), [0xe4]);
    }
}
