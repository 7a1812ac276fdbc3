//! The deadlines and periods, and which of them make no sense together.

use core::ops::Range;
use core::time::Duration;
use keepair_core::config::Timing;

use super::reader::{Part, Reader, Set};
use crate::keys::{self, Key, Preset};
use crate::value::{Fault, duration};

pub(super) fn read(
    reader: &mut Reader<'_>,
    parts: [&Part<'_>; 3],
    advert: &Set<Duration>,
) -> Timing {
    let mut timing = Timing::default();
    let mut periods = vec![Period { key: &keys::ADVERT_INTERVAL, set: advert.clone() }];
    for part in parts {
        for key in part.section.keys() {
            if let Preset::Timing(field) = key.preset {
                let set = reader.duration(part, key);
                *field(&mut timing) = set.value;
                periods.push(Period { key, set });
            }
        }
    }
    let compare = |what: &Key, with: &Key, misfit: &dyn Fn(Duration, Duration) -> bool| {
        let of = |key: &Key| periods.iter().find(|period| period.key.name == key.name);
        let (what, with) = (of(what)?, of(with)?);
        let spoilt = what.set.spoilt || with.set.spoilt;
        if spoilt || !misfit(what.set.value, with.set.value) {
            return None;
        }
        // Two defaults fit, so one of the two stands somewhere.
        let span = what.set.span.clone().or(with.set.span.clone())?;
        Some(Misfit { span, what: what.shown(), with: with.shown() })
    };
    let ping =
        compare(&keys::PING_TIMEOUT, &keys::PING_INTERVAL, &|timeout, every| timeout <= every);
    let hang = compare(&keys::HANG_TIMEOUT, &keys::PING_TIMEOUT, &|hang, ping| hang < ping);
    // A standby calls the other one gone after three intervals (RFC 9568 section 6.1).
    let boot = compare(&keys::BOOT_WAIT, &keys::ADVERT_INTERVAL, &|wait, advert| {
        wait < advert.saturating_mul(3)
    });
    if let Some(Misfit { span, what, with }) = ping {
        let hint = "an answer needs time: make `ping_timeout` several times `ping_interval`";
        reader.error(span, Fault::new(format!("{what} is not longer than {with}"), hint));
    }
    if let Some(Misfit { span, what, with }) = hang {
        let hint = "a silent Redis is given more time than a stopped one: \
                    make `hang_timeout` longer";
        reader.error(span, Fault::new(format!("{what} is shorter than {with}"), hint));
    }
    if let Some(Misfit { span, what, with }) = boot {
        let hint = "a starting machine may decide alone before it could hear the other: \
                    make `boot_wait` longer";
        reader
            .warning(span, Fault::new(format!("{what} is shorter than three times {with}"), hint));
    }
    timing
}

/// One duration as read.
struct Period {
    key: &'static Key,
    set: Set<Duration>,
}

impl Period {
    /// Its name and value for a sentence, which must not leave the reader looking for a default.
    fn shown(&self) -> String {
        let default = if self.set.span.is_none() { ", the default" } else { "" };
        format!("`{}` ({}{default})", self.key.name, duration::show(self.set.value))
    }
}

/// Two durations that do not go together, and where to say so.
struct Misfit {
    span: Range<usize>,
    what: String,
    with: String,
}
