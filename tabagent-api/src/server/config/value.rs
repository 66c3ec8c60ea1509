//! Values of settings: one way to read each type, whichever source the text came from.

use std::net::{IpAddr, Ipv4Addr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use http::Uri;
use tabagent_runtime::KeepAlive;
use tabagent_runtime::device::{ArenaGrowth, Device};
use tabagent_runtime::hub;

use crate::framework::config::Secret;

/// A value that is one piece of text.
pub trait Scalar: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// With what is wrong and what would be right, as a clause.
    fn parse(text: &str) -> Result<Self, String>;

    /// Writes it so that it can be read again, unless it is a secret.
    fn show(&self) -> String;
}

/// The value of a setting: a scalar, one that may be unset, or several.
pub trait SettingValue: Sized {
    /// Whether more than one text is taken.
    const LIST: bool = false;

    /// Reads the texts of the source that gave it.
    ///
    /// # Errors
    /// As [`Scalar::parse`].
    fn read(texts: &[String]) -> Result<Self, String>;

    /// The value where no source and no default gives one; none when there must be one.
    fn unset() -> Option<Self> {
        None
    }

    /// As [`Scalar::show`].
    fn show(&self) -> String;
}

impl<T: Scalar> SettingValue for T {
    fn read(texts: &[String]) -> Result<Self, String> {
        match texts {
            [text] => T::parse(text),
            texts => Err(format!("one value is needed and {} are given", texts.len())),
        }
    }

    fn show(&self) -> String {
        Scalar::show(self)
    }
}

impl<T: Scalar> SettingValue for Option<T> {
    fn read(texts: &[String]) -> Result<Self, String> {
        <T as SettingValue>::read(texts).map(Some)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }

    fn show(&self) -> String {
        self.as_ref().map_or_else(String::new, Scalar::show)
    }
}

impl<T: Scalar> SettingValue for Vec<T> {
    const LIST: bool = true;

    fn read(texts: &[String]) -> Result<Self, String> {
        texts.iter().map(|text| T::parse(text)).collect()
    }

    fn unset() -> Option<Self> {
        Some(Self::new())
    }

    fn show(&self) -> String {
        self.iter().map(Scalar::show).collect::<Vec<_>>().join(",")
    }
}

impl Scalar for IpAddr {
    fn parse(text: &str) -> Result<Self, String> {
        if text == "localhost" {
            return Ok(Self::V4(Ipv4Addr::LOCALHOST));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        bare.parse().map_err(|_| format!("`{text}` is not an IP address, such as 127.0.0.1, ::1 or 0.0.0.0"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Scalar for u16 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not a number from 0 to {}", Self::MAX))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Most of anything that is counted: connections, threads, waiting texts. Beyond it a setting is a slip of the hand.
const MOST: usize = 1_000_000;

impl Scalar for NonZeroUsize {
    fn parse(text: &str) -> Result<Self, String> {
        let count = text.parse().ok().filter(|count: &Self| count.get() <= MOST);
        count.ok_or_else(|| format!("`{text}` is not a whole number from 1 to {MOST}"))
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Scalar for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "yes" | "true" | "on" | "1" => Ok(true),
            "no" | "false" | "off" | "0" => Ok(false),
            _ => Err(format!("`{text}` is neither yes nor no")),
        }
    }

    fn show(&self) -> String {
        if *self { "yes" } else { "no" }.to_owned()
    }
}

impl Scalar for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a path is needed".to_owned());
        }
        // A shell expands `~`; the file and the environment of a service are not read by one.
        match (text.strip_prefix("~/"), std::env::home_dir()) {
            (Some(rest), Some(home)) => Ok(home.join(rest)),
            _ => Ok(Self::from(text)),
        }
    }

    fn show(&self) -> String {
        self.display().to_string()
    }
}

impl Scalar for Secret {
    fn parse(text: &str) -> Result<Self, String> {
        // A header cannot carry anything else, so that such a key could never be sent.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a key is one or more printable ASCII characters without spaces".to_owned());
        }
        Ok(Self::new(text))
    }

    fn show(&self) -> String {
        "(set, not shown)".to_owned()
    }
}

impl Scalar for Device {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: <Self as std::str::FromStr>::Err| error.to_string())
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl Scalar for KeepAlive {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// Units of time, longest suffix first.
const TIME_UNITS: &[(&str, u64)] = &[("ms", 1), ("s", 1_000), ("m", 60_000), ("h", 3_600_000)];

impl Scalar for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a time above zero, such as 500ms, 30s, 2m or 1h; a bare number is seconds"
            )
        };
        let (number, unit) = split_unit(text);
        let unit = if unit.is_empty() { "s" } else { unit };
        let factor =
            TIME_UNITS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor).ok_or_else(wrong)?;
        let amount: u64 = number.parse().map_err(|_| wrong())?;
        match amount.checked_mul(factor) {
            Some(0) => Err(wrong()),
            Some(millis) => Ok(Self::from_millis(millis)),
            None => Err(format!("`{text}` is a longer time than can be counted")),
        }
    }

    fn show(&self) -> String {
        let millis = self.as_millis();
        let whole = TIME_UNITS.iter().rev().find(|(_, factor)| millis.is_multiple_of(u128::from(*factor)));
        let (unit, factor) = whole.copied().unwrap_or(("ms", 1));
        format!("{}{unit}", millis / u128::from(factor))
    }
}

impl Scalar for ArenaGrowth {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse()
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteSize(pub usize);

/// Units of size.
const SIZE_UNITS: &[(&str, usize)] = &[
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KiB", 1 << 10),
    ("MB", 1_000_000),
    ("MiB", 1 << 20),
    ("GB", 1_000_000_000),
    ("GiB", 1 << 30),
];

impl Scalar for ByteSize {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a size above zero, such as 65536, 512KiB or 16MiB");
        let (number, unit) = split_unit(text);
        let factor = SIZE_UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, factor)| *factor)
            .ok_or_else(wrong)?;
        let amount: usize = number.parse().map_err(|_| wrong())?;
        amount.checked_mul(factor).filter(|bytes| *bytes > 0).map(Self).ok_or_else(wrong)
    }

    fn show(&self) -> String {
        let binary = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        let whole = binary.iter().find(|(_, factor)| self.0.is_multiple_of(*factor));
        whole.map_or_else(|| self.0.to_string(), |(unit, factor)| format!("{}{unit}", self.0 / factor))
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number, unit.trim_start())
}

/// Whether responses are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Where it saves time.
    Auto,
    /// Always, for clients that accept it.
    On,
    /// Never.
    Off,
}

impl Scalar for Compression {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "on" | "true" => Ok(Self::On),
            "off" | "false" => Ok(Self::Off),
            _ => Err(format!("`{text}` is none of auto, on and off")),
        }
    }

    fn show(&self) -> String {
        match self {
            Self::Auto => "auto",
            Self::On => "on",
            Self::Off => "off",
        }
        .to_owned()
    }
}

/// The name of a host, without port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName(pub String);

impl Scalar for HostName {
    fn parse(text: &str) -> Result<Self, String> {
        let well_formed = !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_'))
            && !text.starts_with(['-', '.']);
        if well_formed {
            Ok(Self(text.to_ascii_lowercase()))
        } else {
            Err(format!("`{text}` is not a host name; give it without scheme and port, such as box.lan"))
        }
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// Address of a hub of models.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubEndpoint(pub String);

impl Scalar for HubEndpoint {
    fn parse(text: &str) -> Result<Self, String> {
        hub::check_endpoint(text).map(|()| Self(text.trim_end_matches('/').to_owned()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// A host that the files of a hub may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HubHost(pub String);

impl Scalar for HubHost {
    fn parse(text: &str) -> Result<Self, String> {
        hub::check_host(text).map(|()| Self(text.to_ascii_lowercase()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}

/// The origin of a page: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OriginName(pub String);

impl Scalar for OriginName {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not an origin; give scheme and host, such as https://example.org or chrome-extension://ID"
            )
        };
        let origin = text.strip_suffix('/').unwrap_or(text);
        let (scheme, host) = origin.split_once("://").ok_or_else(wrong)?;
        let whole: Uri = origin.parse().map_err(|_| wrong())?;
        if scheme.is_empty() || host.contains(['/', '?', '#', '@']) || whole.host().is_none_or(str::is_empty)
        {
            return Err(wrong());
        }
        Ok(Self(origin.to_ascii_lowercase()))
    }

    fn show(&self) -> String {
        self.0.clone()
    }
}
