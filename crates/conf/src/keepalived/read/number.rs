//! Numbers as keepalived reads them: decimal, with a sign if need be, and nothing else around.

/// A whole number. Leading zeroes do not make it octal.
pub(super) fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // What does not fit is out of any range here.
    let number = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if negative { -number } else { number })
}

/// A number of seconds.
pub(super) struct Decimal {
    pub(super) us: u64,
    /// It had more than six decimals.
    pub(super) rounded: bool,
}

/// A number with or without decimals; not negative.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && decimals.is_empty()) || !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let whole = if whole.is_empty() { 0 } else { whole.parse().unwrap_or(u64::MAX) };
    let digit = |at: usize| decimals.as_bytes().get(at).map_or(0, |byte| u64::from(byte - b'0'));
    let part = (0..6).fold(0, |part, at| part * 10 + digit(at));
    let us = whole.saturating_mul(1_000_000).saturating_add(part);
    let up = u64::from(digit(6) >= 5);
    Some(Decimal { us: us.saturating_add(up), rounded: decimals.len() > 6 })
}

/// Seconds as a person would write them.
pub(in super::super) fn show_us(us: u64) -> String {
    let (whole, part) = (us / 1_000_000, us % 1_000_000);
    if part == 0 {
        return whole.to_string();
    }
    let text = format!("{whole}.{part:06}");
    text.trim_end_matches('0').to_owned()
}

/// A number as C writes it: decimal, 0x and hexadecimal, 0 and octal.
pub(super) fn c_number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.strip_prefix("0x").or(text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (text, 8),
        None => (text, 10),
    };
    let good = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix));
    if good { u64::from_str_radix(digits, radix).ok() } else { None }
}
