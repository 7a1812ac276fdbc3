//! What the router tells, in words for the log.

use keepair_core::event::Level;
use keepair_core::router::action::Subject;
use keepair_core::router::event::{Event, State};

use super::log::Line;
use super::setup::Setup;

/// An event as a line.
pub(crate) fn line(event: Event, setup: &Setup) -> Line {
    let (level, text) = words(&event, setup);
    Line { level, text, event: Some(event) }
}

fn words(event: &Event, setup: &Setup) -> (Level, String) {
    let name = |of: Subject| setup.subject(of).map_or("?", |subject| subject.name.as_str());
    match event {
        Event::StateChanged { instance, from, to, why } => {
            let level = if *to == State::Fault { Level::Warning } else { Level::Notice };
            let name = name(Subject::Instance(*instance));
            (level, format!("({name}) {} -> {}: {why}", word(*from), word(*to)))
        }
        Event::GroupChanged { group, to } => {
            let level = if *to == State::Fault { Level::Warning } else { Level::Notice };
            (level, format!("group {}: {}", name(Subject::Group(*group)), word(*to)))
        }
        Event::PriorityChanged { instance, from, to } => {
            let name = name(Subject::Instance(*instance));
            (Level::Notice, format!("({name}) priority {from} -> {to}"))
        }
        Event::ScriptChanged { script, good, why } => {
            let name = setup.script(*script).map_or("?", |script| script.name.as_str());
            let (level, word) =
                if *good { (Level::Notice, "good") } else { (Level::Warning, "bad") };
            (level, format!("script {name} is {word}: {why}"))
        }
        Event::Dropped { instance, why } => {
            let name = name(Subject::Instance(*instance));
            (Level::Warning, format!("({name}) packet dropped: {why}"))
        }
        Event::Problem { instance: Some(instance), text } => {
            (Level::Warning, format!("({}) {text}", name(Subject::Instance(*instance))))
        }
        Event::Problem { instance: None, text } => (Level::Warning, text.clone()),
    }
}

/// keepalived's words: its users look for them in the log.
fn word(state: State) -> &'static str {
    match state {
        State::Initialize => "INIT",
        State::Backup => "BACKUP",
        State::Active => "MASTER",
        State::Fault => "FAULT",
    }
}
