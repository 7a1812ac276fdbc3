//! Takes typed values out of the spanned tables; whatever does not fit becomes a diagnostic.
//!
//! Knows the shape of the file through the table of keys, and nothing of what the values mean
//! together. A value that is missing or wrong comes out as `None`; what is wrong was then said.

use core::ops::Range;
use core::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::diagnostic::{Diagnostic, Severity, Source};
use crate::keys::{Key, Kind, Preset, Section, nearest};
use crate::value::{Fault, duration, quote};

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) span: Range<usize>,
}

/// A value that may be the default, which stands nowhere.
#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    pub(super) value: T,
    /// `None` for a default.
    pub(super) span: Option<Range<usize>>,
    /// Something was written, but not a `T` within its bounds: `value` is the default, and it
    /// would confuse to compare it with other values.
    pub(super) spoilt: bool,
}

impl<T> Set<T> {
    /// What was `read`, else `default`.
    fn or(read: Option<At<T>>, default: T, written: bool) -> Self {
        match read {
            Some(At { value, span }) => Set { value, span: Some(span), spoilt: false },
            None => Set { value: default, span: None, spoilt: written },
        }
    }
}

/// One table of the file, or its absence.
pub(super) struct Part<'a> {
    pub(super) section: Section,
    pub(super) table: Option<&'a DeTable<'a>>,
    /// Its header, or all of an inline table; where to say that something is missing.
    pub(super) span: Range<usize>,
}

impl Part<'_> {
    /// Where `key` itself stands, if it does.
    pub(super) fn key_span(&self, key: &Key) -> Option<Range<usize>> {
        Some(self.table?.get_key_value(key.name)?.0.span())
    }
}

pub(super) struct Reader<'t> {
    source: Source<'t>,
    found: Vec<Diagnostic>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'t str, text: &'t str) -> Self {
        Reader { source: Source::new(file, text), found: Vec::new() }
    }

    pub(super) fn error(&mut self, span: Range<usize>, fault: Fault) {
        let Fault { message, hint } = fault;
        self.found.push(self.source.diagnostic(Severity::Error, span, message, hint));
    }

    pub(super) fn warning(&mut self, span: Range<usize>, fault: Fault) {
        let Fault { message, hint } = fault;
        self.found.push(self.source.diagnostic(Severity::Warning, span, message, hint));
    }

    /// Everything said, in the order of the file, and whether any of it is an error.
    pub(super) fn finish(mut self) -> (Vec<Diagnostic>, bool) {
        self.found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
        let failed = self.found.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        (self.found, failed)
    }

    /// Keys of `part` that are not in the table of keys.
    pub(super) fn refuse_unknown(&mut self, part: &Part<'_>) {
        for key in part.table.into_iter().flat_map(DeTable::keys) {
            let name: &str = key.get_ref();
            if !part.section.keys().any(|known| known.name == name) {
                let message = format!("unknown key {}", quote(name));
                self.error(key.span(), Fault::new(message, nearest::hint(part.section, name)));
            }
        }
    }

    /// The table below `key`, its unknown keys refused.
    pub(super) fn table<'a>(&mut self, part: &Part<'a>, key: &Key) -> Part<'a> {
        let section = match key.kind {
            Kind::Table(section) => section,
            _ => part.section,
        };
        let absent = Part { section, table: None, span: part.span.clone() };
        let Some(value) = self.value(part, key) else {
            return absent;
        };
        let Some(table) = value.get_ref().as_table() else {
            let hint = format!("write a section {}, or `{} = {{}}`", section.header(), key.name);
            self.wrong_type(value, key, "a table", Some(hint));
            return absent;
        };
        let part = Part { section, table: Some(table), span: value.span() };
        self.refuse_unknown(&part);
        part
    }

    /// The tables of the array below `key`, their unknown keys refused. `None` if it is no such
    /// array; an array that is missing is empty.
    pub(super) fn tables<'a>(&mut self, part: &Part<'a>, key: &Key) -> Option<Vec<Part<'a>>> {
        let Kind::Table(section) = key.kind else {
            return None;
        };
        let Some(value) = self.value(part, key) else {
            return Some(Vec::new());
        };
        let hint = || Some(format!("write {} once for each", section.header()));
        let Some(array) = value.get_ref().as_array() else {
            self.wrong_type(value, key, "an array of tables", hint());
            return None;
        };
        let mut parts = Some(Vec::new());
        for value in array.iter() {
            let Some(table) = value.get_ref().as_table() else {
                self.wrong_type(value, key, "a table", hint());
                parts = None;
                continue;
            };
            let part = Part { section, table: Some(table), span: value.span() };
            self.refuse_unknown(&part);
            if let Some(parts) = &mut parts {
                parts.push(part);
            }
        }
        parts
    }

    /// A string, not empty.
    pub(super) fn text(&mut self, part: &Part<'_>, key: &Key) -> Option<At<String>> {
        let value = self.value(part, key)?;
        self.string(value, key)
    }

    /// A string that `check` accepts.
    pub(super) fn checked_text(
        &mut self,
        part: &Part<'_>,
        key: &Key,
        check: impl FnOnce(&str) -> Result<(), Fault>,
    ) -> Option<At<String>> {
        let text = self.text(part, key)?;
        self.accept(check(&text.value), &text.span)?;
        Some(text)
    }

    /// A string that `parse` makes something of.
    pub(super) fn parsed<T>(
        &mut self,
        part: &Part<'_>,
        key: &Key,
        parse: impl FnOnce(&str) -> Result<T, Fault>,
    ) -> Option<At<T>> {
        let At { value, span } = self.text(part, key)?;
        let value = self.accept(parse(&value), &span)?;
        Some(At { value, span })
    }

    /// The strings of an array; a bare string is an array of one.
    pub(super) fn texts(&mut self, part: &Part<'_>, key: &Key) -> Option<Vec<At<String>>> {
        let value = self.value(part, key)?;
        match value.get_ref() {
            DeValue::String(_) => Some(self.string(value, key).into_iter().collect()),
            DeValue::Array(array) if array.is_empty() => {
                self.error(
                    value.span(),
                    Fault::new(format!("`{}` is empty", key.name), "write at least one"),
                );
                None
            }
            DeValue::Array(array) => {
                Some(array.iter().filter_map(|value| self.string(value, key)).collect())
            }
            _ => {
                self.wrong_type(value, key, "a string or an array of strings", None);
                None
            }
        }
    }

    /// A boolean, or its default.
    pub(super) fn boolean(&mut self, part: &Part<'_>, key: &Key) -> Set<bool> {
        let default = matches!(key.preset, Preset::Bool(true));
        let value = self.value(part, key);
        let read = value.and_then(|value| {
            let flag = value.get_ref().as_bool();
            if flag.is_none() {
                let hint = "write true or false, without quotes".to_owned();
                self.wrong_type(value, key, "a boolean", Some(hint));
            }
            Some(At { value: flag?, span: value.span() })
        });
        Set::or(read, default, value.is_some())
    }

    /// An integer within the bounds of its key, or its default. `T` must hold the bounds.
    pub(super) fn integer<T>(&mut self, part: &Part<'_>, key: &Key) -> Set<T>
    where
        T: TryFrom<i64> + Default,
    {
        let default = match key.preset {
            Preset::Integer(default) => T::try_from(default()).unwrap_or_default(),
            _ => T::default(),
        };
        let value = self.value(part, key);
        let read = value.and_then(|value| {
            let number = self.read_integer(value, key)?;
            Some(At { value: T::try_from(number).ok()?, span: value.span() })
        });
        Set::or(read, default, value.is_some())
    }

    fn read_integer(&mut self, value: &Spanned<DeValue<'_>>, key: &Key) -> Option<i64> {
        let Kind::Integer { least, most } = key.kind else {
            return None;
        };
        let bounds = format!("write a number from {least} to {most}");
        let DeValue::Integer(integer) = value.get_ref() else {
            let quoted = value.get_ref().as_str().is_some_and(|text| text.parse::<i64>().is_ok());
            let hint = if quoted { "leave the quotes out".to_owned() } else { bounds };
            self.wrong_type(value, key, "an integer", Some(hint));
            return None;
        };
        let read = i64::from_str_radix(integer.as_str(), integer.radix())
            .ok()
            .filter(|number| (least..=most).contains(number));
        if read.is_none() {
            let written = quote(&integer.to_string());
            let message = format!("`{}`: {written} is out of range", key.name);
            self.error(value.span(), Fault::new(message, bounds));
        }
        read
    }

    /// A duration within the bounds of its key, or its default.
    pub(super) fn duration(&mut self, part: &Part<'_>, key: &Key) -> Set<Duration> {
        let value = self.value(part, key);
        let read = value.and_then(|value| self.read_duration(value, key));
        Set::or(read, key.duration(), value.is_some())
    }

    fn read_duration(&mut self, value: &Spanned<DeValue<'_>>, key: &Key) -> Option<At<Duration>> {
        let Kind::Duration { least, most } = key.kind else {
            return None;
        };
        let number = match value.get_ref() {
            DeValue::Integer(number) => Some(number.to_string()),
            DeValue::Float(number) => Some(number.to_string()),
            _ => None,
        };
        if let Some(number) = number {
            let number = quote(&number);
            let message = format!("`{}`: the duration {number} has no unit", key.name);
            let example = duration::show(key.duration());
            let hint =
                format!("write a string with a unit (us, ms, s, m or h), like \"{example}\"");
            self.error(value.span(), Fault::new(message, hint));
            return None;
        }
        let At { value: text, span } = self.string(value, key)?;
        let read = self.accept(duration::parse(&text), &span)?;
        if !(least..=most).contains(&read) {
            let (bound, limit) = if read < least { ("shorter", least) } else { ("longer", most) };
            let message = format!(
                "`{}`: {} is {bound} than {}",
                key.name,
                duration::show(read),
                duration::show(limit)
            );
            let hint =
                format!("write a time from {} to {}", duration::show(least), duration::show(most));
            self.error(span, Fault::new(message, hint));
            return None;
        }
        Some(At { value: read, span })
    }

    /// The value of `key`, which is complained about if it is missing and may not be.
    fn value<'a>(&mut self, part: &Part<'a>, key: &Key) -> Option<&'a Spanned<DeValue<'a>>> {
        let value = part.table.and_then(|table| table.get(key.name));
        if value.is_none()
            && let Preset::Required([example, ..]) = key.preset
        {
            let place = match part.section {
                Section::Top => "above the first [section]",
                _ => "here",
            };
            let hint = format!("add {place}, for example: {} = {example}", key.name);
            self.error(part.span.clone(), Fault::new(format!("missing key `{}`", key.name), hint));
        }
        value
    }

    fn string(&mut self, value: &Spanned<DeValue<'_>>, key: &Key) -> Option<At<String>> {
        let Some(text) = value.get_ref().as_str() else {
            self.wrong_type(value, key, "a string", None);
            return None;
        };
        if text.is_empty() {
            let hint = match key.preset {
                Preset::Absent(_) => "write it, or leave the key out",
                _ => "write it between the quotes",
            };
            self.error(value.span(), Fault::new(format!("`{}` is empty", key.name), hint));
            return None;
        }
        Some(At { value: text.to_owned(), span: value.span() })
    }

    fn wrong_type(
        &mut self,
        value: &Spanned<DeValue<'_>>,
        key: &Key,
        expected: &str,
        hint: Option<String>,
    ) {
        let found = match value.get_ref() {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        };
        let hint = hint.or_else(|| match (expected, value.get_ref()) {
            ("a string", DeValue::Array(_) | DeValue::Table(_)) => None,
            ("a string", _) => Some("put it in quotes".to_owned()),
            _ => None,
        });
        let message = format!("`{}`: expected {expected}, found {found}", key.name);
        self.error(value.span(), Fault { message, hint });
    }

    /// What `result` holds; its fault is said about `span`.
    fn accept<T>(&mut self, result: Result<T, Fault>, span: &Range<usize>) -> Option<T> {
        result.map_err(|fault| self.error(span.clone(), fault)).ok()
    }
}
