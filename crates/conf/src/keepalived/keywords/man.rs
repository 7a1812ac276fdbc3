//! `docs/man/keepair-keepalived.conf.5`, the manual page, written from the table of keywords.

use core::fmt::Write as _;

use super::{Keyword, Scope, Support, lvs};
use crate::keepalived::read::{address, route, rule};

const HEAD: &str = "\
.\\\" Written by keepair-conf from its table of keywords; a test keeps it so.
.TH KEEPAIR\\-KEEPALIVED.CONF 5 \"\" keepair \"File formats\"
.SH NAME
keepair\\-keepalived.conf \\- the words of keepalived.conf, and what Keepair does with them
.SH DESCRIPTION
.B keepair run \\-\\-config
.I FILE
reads a
.B keepalived.conf
as keepalived does, up to its version 2.4, and does what the file says.
.B keepair check
.I FILE
shows every mistake in it, with its line, and what to do about it.
.B keepair convert
.I FILE
writes the
.B keepair.toml
that replaces scripts for Redis by Keepair's own handling of it.
.PP
What keepalived leaves out with a line in its log is an error, so that a check can't disappear without a word;
.B on_dropped warn
in
.B global_defs
makes it a warning.
.PP
Everything that is not said of a word below is as in
.BR keepalived.conf (5).
In what follows,
.I [x]
may be left out. Text with blanks stands in double quotes. Switches take on, off, true, false, yes or no; left out,
they are on. Seconds may have decimals.
";

const TAIL: &str = "\
.SH SIGNALS
.TP
.B SIGHUP
The file is read again. If it has a mistake, the daemon says so and goes on with what it has. What did not change keeps its
addresses and its state.
.TP
.BR SIGTERM \" and \" SIGINT
Every instance leaves its addresses, and the daemon ends.
.TP
.B SIGUSR1
The state is written to /tmp/keepalived.data.
.TP
.B SIGUSR2
The counters are written to /tmp/keepalived.stats.
.TP
.B SIGRTMIN+2
The state is written to /tmp/keepalived.json.
.SH EXIT STATUS
.B keepair check
ends with 0 if there is no mistake, and with 5 if there is one in a keepalived.conf, as
.B keepalived \\-\\-config\\-test
does.
.SH SEE ALSO
.BR keepalived.conf (5),
.BR keepair (1)
";

/// The manual page.
pub fn keywords_man() -> String {
    let mut out = HEAD.to_owned();
    for scope in Scope::ALL {
        let title = scope.name().replace('`', "").to_uppercase();
        line(&mut out, format_args!(".SH {}", text(&title)));
        scope.keywords().for_each(|keyword| entry(&mut out, keyword));
    }
    line(&mut out, format_args!(".SH ADDRESSES, ROUTES AND RULES"));
    line(&mut out, format_args!("The options of their lines mean what they mean to\n.BR ip (8)."));
    for (what, options) in
        [("Address", address::OPTIONS), ("Route", route::OPTIONS), ("Rule", rule::OPTIONS)]
    {
        line(&mut out, format_args!(".TP\n.B {what}\n{}", text(&options.join(", "))));
    }
    line(&mut out, format_args!(".SH THE LOAD BALANCER"));
    let words: Vec<&str> = lvs::WORDS.iter().map(|(name, _)| *name).collect();
    line(
        &mut out,
        format_args!("Its blocks are skipped whole, with one warning. The words in them:"),
    );
    line(&mut out, format_args!("{}.", text(&words.join(", "))));
    out.push_str(TAIL);
    out
}

fn entry(out: &mut String, keyword: &Keyword) {
    let takes = keyword.takes.synopsis();
    line(out, format_args!(".TP"));
    match &*takes {
        "" => line(out, format_args!(".B {}", text(keyword.name))),
        takes => line(out, format_args!(".BI {} \" {}\"", text(keyword.name), text(takes))),
    }
    line(out, format_args!("{}", text(keyword.doc)));
    let why = match keyword.support {
        Support::Full | Support::Reading => return,
        Support::Own => "keepalived does not know it.".to_owned(),
        Support::Old(new) => format!("An old word for {new}."),
        Support::NoEffect(why) => format!("It has no effect: {why}."),
        Support::Refused(why) => format!("It is refused: {why}."),
    };
    line(out, format_args!("{}", text(&why)));
}

/// Text as roff takes it.
fn text(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\e").replace('-', "\\-").replace('"', "\\(dq").replace('`', "");
    // A line that begins so would be a request.
    match escaped.starts_with(['.', '\'']) {
        true => format!("\\&{escaped}"),
        false => escaped,
    }
}

fn line(out: &mut String, text: core::fmt::Arguments<'_>) {
    // Writing into a String cannot fail.
    let _ = out.write_fmt(text);
    out.push('\n');
}
