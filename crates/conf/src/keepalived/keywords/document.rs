//! `docs/keepalived-keywords.md`, written from the table of keywords.

use core::fmt::Write as _;

use super::{Keyword, Scope, Support, lvs};
use crate::keepalived::read::{address, route, rule};

const HEAD: &str = "\
<!-- Written by keepair-conf from its table of keywords; a test keeps it so. -->
# The words of keepalived.conf

What Keepair does with each word that keepalived knows, up to version 2.4.

| effect | means |
|---|---|
| yes | it does what it does in keepalived |
| ours | keepalived does not know it |
| reading | it does its work while the files are read |
| no effect | it may stand there; a warning says that it does nothing, and why |
| refused | it is an error, for the machine would not do what was asked for |

`[x]` may be left out. Text with blanks stands in double quotes. Switches take on, off, true, false,
yes or no; left out, they are on. Seconds may have decimals.
";

/// The document.
pub fn keywords_markdown() -> String {
    let mut out = HEAD.to_owned();
    for scope in Scope::ALL {
        line(&mut out, format_args!("\n## {}\n", capital(scope.name())));
        line(&mut out, format_args!("| word | takes | for example | effect | meaning |"));
        line(&mut out, format_args!("|---|---|---|---|---|"));
        for keyword in scope.keywords() {
            row(&mut out, keyword);
        }
    }
    line(&mut out, format_args!("\n## Addresses, routes and rules\n"));
    line(&mut out, format_args!("The options of their lines mean what they mean to `ip`.\n"));
    for (what, options) in
        [("address", address::OPTIONS), ("route", route::OPTIONS), ("rule", rule::OPTIONS)]
    {
        line(&mut out, format_args!("- {what}: `{}`", options.join("`, `")));
    }
    line(&mut out, format_args!("\n## The load balancer\n"));
    line(
        &mut out,
        format_args!("Its blocks (`virtual_server`, `virtual_server_group`, `SSL`) are"),
    );
    line(&mut out, format_args!("skipped whole, with one warning. The words in them:\n"));
    line(&mut out, format_args!("| word | in |"));
    line(&mut out, format_args!("|---|---|"));
    for (name, blocks) in lvs::WORDS {
        line(&mut out, format_args!("| `{name}` | {blocks} |"));
    }
    out
}

fn row(out: &mut String, keyword: &Keyword) {
    let code = |text: &str| match text {
        "" => String::new(),
        text => format!("`{}`", text.replace('|', "\\|")),
    };
    let takes = code(&keyword.takes.synopsis());
    let example = code(&keyword.example.replace('\n', " "));
    let (effect, why) = match keyword.support {
        Support::Full => ("yes", ""),
        Support::Own => ("ours", ""),
        Support::Old(_) => ("yes", "a warning names the newer word"),
        Support::Reading => ("reading", ""),
        Support::NoEffect(why) => ("no effect", why),
        Support::Refused(why) => ("refused", why),
    };
    let why = if why.is_empty() { String::new() } else { format!(" {}.", capital(why)) };
    let doc = keyword.doc.replace('|', "\\|");
    line(out, format_args!("| `{}` | {takes} | {example} | {effect} | {doc}{why} |", keyword.name));
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(chars).collect()
}

fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}
