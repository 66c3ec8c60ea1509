//! How long a model stays in memory that nobody uses.

use std::{fmt, str::FromStr, time::Duration};

/// How long a model stays in memory once its last request has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeepAlive {
    /// So long; not at all where it is zero.
    For(Duration),
    /// Until somebody unloads it, or another one needs its room.
    Forever,
}

impl KeepAlive {
    /// So many seconds; negative ones are for ever, as in Ollama's API.
    pub fn seconds(seconds: i64) -> Self {
        u64::try_from(seconds).map_or(Self::Forever, |seconds| Self::For(Duration::from_secs(seconds)))
    }
}

impl fmt::Display for KeepAlive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::For(time) = self else { return f.write_str("forever") };
        let millis = time.as_millis();
        let whole = UNITS.iter().rev().find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
        match whole {
            _ if millis == 0 => f.write_str("0"),
            Some((unit, factor)) => write!(f, "{}{unit}", millis / u128::from(*factor)),
            None => write!(f, "{millis}ms"),
        }
    }
}

/// Units of time in milliseconds.
const UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl FromStr for KeepAlive {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is none of a time such as 90s, 30m or 2h, 0 for not at all, and forever (or -1)"
            )
        };
        if text == "forever" || text == "-1" {
            return Ok(Self::Forever);
        }
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let unit = if unit.is_empty() { "s" } else { unit };
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        let millis = number.parse::<u64>().ok().and_then(|number| number.checked_mul(*factor));
        // Longer than that is for ever, and could not be added to a clock.
        let most = 1000 * 366 * 24 * 3_600_000;
        match millis.ok_or_else(wrong)? {
            millis if millis > most => Ok(Self::Forever),
            millis => Ok(Self::For(Duration::from_millis(millis))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, shown) in [
            ("0", "0"),
            ("-1", "forever"),
            ("forever", "forever"),
            ("90", "90s"),
            ("120s", "2m"),
            ("2h", "2h"),
            ("250ms", "250ms"),
            ("99999999999h", "forever"),
        ] {
            let keep: KeepAlive = text.parse().unwrap();
            assert_eq!(keep.to_string(), shown, "{text}");
            assert_eq!(shown.parse::<KeepAlive>().unwrap(), keep);
        }
        for text in ["", "-2", "1d", "s", "1.5h", " 1s"] {
            assert!(text.parse::<KeepAlive>().is_err(), "{text}");
        }
        assert_eq!(KeepAlive::seconds(-3), KeepAlive::Forever);
    }
}
