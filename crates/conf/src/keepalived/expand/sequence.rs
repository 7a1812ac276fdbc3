//! `~SEQ(var, start, step, end)` and `~LST(var, value, ...)`: the rest of the line once for every
//! value.

use super::super::place::Place;
use super::text::{self, Cell, is_blank, is_name};
use super::{Expander, Stop};
use crate::value::{Fault, quote};

/// One round: the variables and what each of them is.
type Round = Vec<(String, String)>;

/// What is between the parentheses.
enum Rounds {
    Numbers { name: String, start: i64, step: i64, end: i64, hexadecimal: bool },
    Values(Vec<Round>),
}

impl Expander<'_> {
    /// Reads the rest of a line that begins with `~SEQ` or `~LST`, round by round.
    pub(super) fn sequence(&mut self, cells: &[Cell], depth: usize) -> Result<(), Stop> {
        let open = cells.iter().position(|cell| cell.ch == '(');
        let close = cells.iter().position(|cell| cell.ch == ')');
        let (Some(open), Some(close)) =
            (open, close.filter(|close| open.is_some_and(|open| open < *close)))
        else {
            let place = text::place(text::first_word(cells).0, &self.sources);
            self.no_sequence(place, "its values stand in parentheses, on one line");
            return Ok(());
        };
        let kind = text::string(cells.get(..open).unwrap_or(&[]));
        let place = text::place(cells.get(..=close).unwrap_or(&[]), &self.sources);
        // Other definitions may be among the values.
        let inside = self.substitute(cells.get(open + 1..close).unwrap_or(&[]))?;
        let inside = inside.first().map_or(String::new(), |line| text::string(line));
        let rounds = match &*kind {
            "~SEQ" => numbers(&inside, false),
            "~SEQx" => numbers(&inside, true),
            "~LST" => values(&inside),
            _ => Err("write ~SEQ(...), ~SEQx(...) or ~LST(...)"),
        };
        let rounds = match rounds {
            Ok(rounds) => rounds,
            Err(hint) => {
                self.no_sequence(place, hint);
                return Ok(());
            }
        };
        let Some(place) = place else { return Ok(()) };
        let rest = text::trim(cells.get(close + 1..).unwrap_or(&[]));
        match rounds {
            Rounds::Values(rounds) => {
                rounds.into_iter().try_for_each(|round| self.round(round, rest, place, depth))
            }
            Rounds::Numbers { name, start, step, end, hexadecimal } => {
                let mut number = start;
                while (step > 0 && number <= end) || (step < 0 && number >= end) {
                    let value = match hexadecimal {
                        true if number < 0 => format!("-{:x}", number.unsigned_abs()),
                        true => format!("{number:x}"),
                        false => number.to_string(),
                    };
                    self.round(vec![(name.clone(), value)], rest, place, depth)?;
                    let Some(next) = number.checked_add(step) else { break };
                    number = next;
                }
                Ok(())
            }
        }
    }

    fn round(
        &mut self,
        round: Round,
        rest: &[Cell],
        place: Place,
        depth: usize,
    ) -> Result<(), Stop> {
        // A round costs time, even if its line is short.
        self.charge(rest.len() + 16, place)?;
        let shown: Vec<String> =
            round.iter().map(|(name, value)| format!("`${name}` = {}", quote(value))).collect();
        let shown = shown.join(", ");
        for (name, value) in round {
            // A value has no place of its own: the round's note tells where it is from.
            let cells = value.chars().map(|ch| Cell { ch, place }).collect();
            self.definitions.set(name, cells);
        }
        let mut line = rest.to_vec();
        // All of a line mostly came the same way; each way gets this round on top.
        let mut last: Option<(u32, u32)> = None;
        for cell in &mut line {
            let via = self.sources.via(cell.place);
            let expansion = match last {
                Some((same, expansion)) if same == via => expansion,
                _ => {
                    let at = self.sources.through(place, via);
                    self.sources.round(shown.clone(), at)
                }
            };
            last = Some((via, expansion));
            cell.place = self.sources.through(cell.place, expansion);
        }
        self.run(line, depth + 1)
    }

    fn no_sequence(&mut self, place: Option<Place>, hint: &str) {
        if let Some(place) = place {
            self.found.syntax(place, Fault::new("this is no sequence", hint));
        }
    }
}

fn name(text: &str) -> Option<String> {
    let is_good = text.chars().all(is_name) && text.starts_with(|c: char| !c.is_ascii_digit());
    is_good.then(|| text.to_owned())
}

fn numbers(inside: &str, hexadecimal: bool) -> Result<Rounds, &'static str> {
    const FORM: &str = "write ~SEQ(NAME, start, step, end): start and step may be left out";
    let parts: Vec<&str> = inside.split(',').map(|part| part.trim_matches(is_blank)).collect();
    let [variable, numbers @ ..] = &*parts else { return Err(FORM) };
    let name = name(variable).ok_or(FORM)?;
    let numbers: Vec<i64> = numbers.iter().filter_map(|number| integer(number)).collect();
    if numbers.len() + 1 != parts.len() {
        return Err(FORM);
    }
    let forward = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, step, end) = match *numbers {
        [end] if end < 0 => (-1, -1, end),
        [end] => (1, 1, end),
        [start, end] => (start, forward(start, end), end),
        [start, step, end] => (start, step, end),
        _ => return Err(FORM),
    };
    if step == 0 || (step > 0 && start > end) || (step < 0 && start < end) {
        return Err("it does not lead from its start to its end");
    }
    Ok(Rounds::Numbers { name, start, step, end, hexadecimal })
}

/// A number in decimal, or in hexadecimal or octal as C writes them.
fn integer(text: &str) -> Option<i64> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (digits, radix) = match digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => (digits, 8),
        None => (digits, 10),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = i64::from_str_radix(digits, radix).ok()?;
    Some(if negative { -number } else { number })
}

fn values(inside: &str) -> Result<Rounds, &'static str> {
    const FORM: &str = "write ~LST(NAME, a, b) or ~LST({NAME, OTHER}, {a, 1}, {b, 2})";
    let groups = groups(inside).ok_or(FORM)?;
    let [variables, rounds @ ..] = &*groups else { return Err(FORM) };
    let names: Vec<String> = variables.iter().filter_map(|text| name(text)).collect();
    if names.len() != variables.len() || rounds.is_empty() {
        return Err(FORM);
    }
    let has_blank = |value: &&String| value.contains(|ch| is_blank(ch) || ch == '"');
    if rounds.iter().flatten().any(|value| has_blank(&value)) {
        return Err("a value in a list has no blanks and no quotes");
    }
    if rounds.iter().any(|values| values.len() != names.len()) {
        return Err("every group of values has one for each name");
    }
    let round = |values: &Vec<String>| names.iter().cloned().zip(values.iter().cloned()).collect();
    Ok(Rounds::Values(rounds.iter().map(round).collect()))
}

/// `a, {b, c}, d` as three groups, of one, two and one.
fn groups(text: &str) -> Option<Vec<Vec<String>>> {
    let item = |text: &str| text.trim_matches(is_blank).to_owned();
    let mut groups = Vec::new();
    let mut rest = text.trim_matches(is_blank);
    loop {
        let after;
        if let Some(inside) = rest.strip_prefix('{') {
            let (group, behind) = inside.split_once('}')?;
            groups.push(group.split(',').map(item).collect());
            after = behind.trim_start_matches(is_blank);
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (one, behind) = rest.split_at_checked(end)?;
            groups.push(vec![item(one)]);
            after = behind;
        }
        if after.is_empty() {
            return Some(groups);
        }
        rest = after.strip_prefix(',')?.trim_start_matches(is_blank);
    }
}
