//! Inputs that come again and again and are nearly alike: answers to INFO and the peer's reports. A
//! line holds only the fields that differ from the one before, which makes the record less than
//! half as long and shows what changed.

use std::net::IpAddr;

use keepair_core::Input;
use keepair_core::action::Query;
use keepair_core::input::{RedisInput, Reply};
use keepair_wire::info::Info;
use keepair_wire::peer::Report;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The last ones since the head.
#[derive(Clone, Default)]
pub(crate) struct Last {
    info: Map<String, Value>,
    heard: Map<String, Value>,
}

/// What differs.
#[derive(Clone)]
pub(crate) enum Changes {
    Info(Map<String, Value>),
    Heard(Map<String, Value>),
}

/// A datagram that is a report.
#[derive(Serialize, Deserialize)]
struct Heard {
    src: IpAddr,
    ttl: u8,
    report: Report,
}

impl Last {
    /// How this input differs from the last of its kind; `None` where it has to be written whole.
    pub(crate) fn changes(&mut self, input: &Input) -> Option<Changes> {
        let changes = match input {
            Input::Redis(RedisInput::Reply(Query::Info, Reply::Info(info))) => {
                Changes::Info(differences(&self.info, &fields(info)?))
            }
            Input::PeerDatagram { src, ttl, bytes } => {
                let report = Report::decode(bytes).ok()?;
                let heard = Heard { src: *src, ttl: *ttl, report };
                Changes::Heard(differences(&self.heard, &fields(&heard)?))
            }
            _ => return None,
        };
        // Bytes may say the same as a report's own and be others: what will be read must be the
        // very input.
        let mut reader = self.clone();
        let found = reader.apply(changes.clone()).ok()?;
        (found == *input).then(|| {
            *self = reader;
            changes
        })
    }

    /// The input that differs from the last of its kind by this.
    ///
    /// # Errors
    /// When the two together are no such input.
    pub(crate) fn apply(&mut self, changes: Changes) -> serde_json::Result<Input> {
        Ok(match changes {
            Changes::Info(changes) => {
                merge(&mut self.info, changes);
                let info: Info = serde_json::from_value(Value::Object(self.info.clone()))?;
                Input::Redis(RedisInput::Reply(Query::Info, Reply::Info(Box::new(info))))
            }
            Changes::Heard(changes) => {
                merge(&mut self.heard, changes);
                let heard: Heard = serde_json::from_value(Value::Object(self.heard.clone()))?;
                let Heard { src, ttl, report } = heard;
                Input::PeerDatagram { src, ttl, bytes: report.encode() }
            }
        })
    }
}

fn fields(value: &impl Serialize) -> Option<Map<String, Value>> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => Some(fields),
        _ => None,
    }
}

/// The fields that differ, of objects within objects too. An absent field is as good as a null.
fn differences(last: &Map<String, Value>, now: &Map<String, Value>) -> Map<String, Value> {
    let differing = now.iter().filter_map(|(field, value)| {
        let changed = match (last.get(field).unwrap_or(&Value::Null), value) {
            (old, new) if old == new => return None,
            (Value::Object(old), Value::Object(new)) => Value::Object(differences(old, new)),
            (_, new) => new.clone(),
        };
        Some((field.clone(), changed))
    });
    differing.collect()
}

fn merge(last: &mut Map<String, Value>, changes: Map<String, Value>) {
    for (field, value) in changes {
        match (last.get_mut(&field), value) {
            (Some(Value::Object(old)), Value::Object(new)) => merge(old, new),
            (_, new) => {
                last.insert(field, new);
            }
        }
    }
}
