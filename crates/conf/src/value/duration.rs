//! Durations: a number with a unit, "100ms" or "0.5s".

use core::time::Duration;

use super::{Fault, quote};

/// Nanoseconds of each unit, the longest first.
const UNITS: [(&str, u128); 5] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
];

/// Reads a duration exactly: no rounding, no float.
pub(crate) fn parse(text: &str) -> Result<Duration, Fault> {
    let fault = |hint: &str| Fault::new(format!("{} is not a duration", quote(text)), hint);
    let number_len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(number_len);
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || decimals.is_empty() || decimals.contains('.') {
        return Err(fault("write a number and a unit, like \"100ms\" or \"0.5s\""));
    }
    if unit.is_empty() {
        return Err(fault("add a unit: us, ms, s, m or h"));
    }
    let Some((_, unit_ns)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(fault(match unit.trim() {
            bare if bare != unit => "write it without blanks",
            "sec" | "secs" | "second" | "seconds" => "the unit of seconds is s",
            "min" | "mins" | "minute" | "minutes" => "the unit of minutes is m",
            "hour" | "hours" => "the unit of hours is h",
            "\u{b5}s" | "\u{3bc}s" | "usec" => "the unit of microseconds is us",
            "MS" | "msec" | "msecs" => "the unit of milliseconds is ms",
            _ if unit.contains(|c: char| c.is_ascii_digit()) => {
                "write one number and one unit, like \"90s\" instead of \"1m30s\""
            }
            _ => "the units are us, ms, s, m and h",
        }));
    };
    // Leading zeroes do not make a number too long, nor do zeroes at the end of its decimals.
    let whole = whole.trim_start_matches('0');
    let decimals = decimals.trim_end_matches('0');
    if whole.len() > 12 {
        return Err(fault("it is longer than any time here can be"));
    }
    if decimals.len() > 12 {
        return Err(fault("nothing here is finer than a nanosecond"));
    }
    let digits = |text: &str| {
        if text.is_empty() { Some(0) } else { text.parse::<u128>().ok() }
    };
    let ns = digits(whole).zip(digits(decimals)).and_then(|(whole, part)| {
        // At most 12 digits each: 10^12 h are below 10^25 ns, far inside u128.
        let scale = 10u128.pow(u32::try_from(decimals.len()).ok()?);
        let part_ns = part * unit_ns;
        (part_ns % scale == 0).then_some(whole * unit_ns + part_ns / scale)
    });
    let Some(ns) = ns else {
        return Err(fault("nothing here is finer than a nanosecond"));
    };
    u64::try_from(ns)
        .map(Duration::from_nanos)
        .map_err(|_| fault("it is longer than any time here can be"))
}

/// How a person would write it, exactly: "100ms", "90s", "10m", "40.95s".
pub(crate) fn show(duration: Duration) -> String {
    /// Larger numbers are easier to read with decimals in a larger unit.
    const LARGEST: u128 = 10_000;
    let ns = duration.as_nanos();
    if ns == 0 {
        return "0s".to_owned();
    }
    let whole = UNITS.iter().find(|(_, unit_ns)| ns.is_multiple_of(*unit_ns));
    if let Some((unit, unit_ns)) = whole
        && ns / unit_ns < LARGEST
    {
        return format!("{}{unit}", ns / unit_ns);
    }
    // Seconds and below always end after some decimals.
    let written = UNITS.iter().filter(|(unit, _)| unit.ends_with('s')).map(|(unit, unit_ns)| {
        let (whole, mut rest) = (ns / unit_ns, ns % unit_ns);
        let mut text = whole.to_string();
        if rest > 0 {
            text.push('.');
        }
        while rest > 0 {
            rest *= 10;
            text.push_str(&(rest / unit_ns).to_string());
            rest %= unit_ns;
        }
        text + unit
    });
    written.min_by_key(String::len).unwrap_or_default()
}
