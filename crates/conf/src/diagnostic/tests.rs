use super::{Diagnostic, Severity, Source, mask, render};

const TEXT: &str = "vip = []\ninterfce = \"eth0\"\n";

fn unknown_key() -> Diagnostic {
    Source::new("/etc/keepair.toml", TEXT).diagnostic(
        Severity::Error,
        9..17,
        "unknown key `interfce`".to_owned(),
        Some("did you mean `interface`?".to_owned()),
    )
}

#[test]
fn drawn_as_rustc_draws() {
    let warning = Diagnostic { severity: Severity::Warning, hint: None, ..unknown_key() };
    let expected = "\
error: unknown key `interfce`
 --> /etc/keepair.toml:2:1
  |
2 | interfce = \"eth0\"
  | ^^^^^^^^
  |
  = help: did you mean `interface`?

warning: unknown key `interfce`
 --> /etc/keepair.toml:2:1
  |
2 | interfce = \"eth0\"
  | ^^^^^^^^
";
    assert_eq!(render(&[unknown_key(), warning], TEXT, false), expected);
    assert_eq!(render(&[], TEXT, false), "");
    assert!(!expected.contains('\u{1b}'));
    assert!(render(&[unknown_key()], TEXT, true).contains("\u{1b}["));
}

/// The fuzzer found them: the renderer draws ESC and its like, and handed these on to the terminal.
#[test]
fn control_characters_behind_ascii_reached_the_terminal() {
    let text = "vip = []\ninterfce = \"\u{9b}31m\u{90}\u{1b}[31m\"\n";
    let shown = render(&[unknown_key()], text, false);
    assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
    assert!(shown.contains("interfce = \"\u{b7}31m\u{b7}\u{241b}[31m\""), "{shown}");
}

#[test]
fn displayed_without_its_text() {
    let expected = "\
error: unknown key `interfce`
--> /etc/keepair.toml:2:1
 = help: did you mean `interface`?";
    assert_eq!(unknown_key().to_string(), expected);
}

#[test]
fn places() {
    for (text, at, place) in [
        ("", 0, (1, 1)),
        ("", 9, (1, 1)),
        ("ab", 1, (1, 2)),
        ("ab", 2, (1, 3)),
        ("ab\n", 2, (1, 3)),
        ("ab\n", 3, (2, 1)),
        ("ab\r\ncd", 5, (2, 2)),
        ("\n\n\n", 2, (3, 1)),
        ("\u{e9}\u{1f600}x", 6, (1, 3)),
        // Inside a letter is at its beginning.
        ("\u{e9}\u{1f600}x", 3, (1, 2)),
        ("\u{feff}x", 3, (1, 1)),
    ] {
        let one = Source::new("f", text).diagnostic(Severity::Error, at..at, String::new(), None);
        assert_eq!((one.line, one.column), place, "{text:?} {at}");
    }
}

#[test]
fn a_text_that_is_not_the_one_meant_is_no_trouble() {
    for text in ["", "\n", "\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", "x\u{e9}\n\u{1f600}"]
    {
        let shown = render(&[unknown_key()], text, false);
        assert!(shown.starts_with("error: unknown key `interfce`\n"), "{shown}");
    }
}

#[test]
fn too_many_are_counted() {
    let shown = render(&vec![unknown_key(); 53], TEXT, false);
    assert_eq!(shown.matches("error: ").count(), 50);
    assert!(shown.ends_with("\n... and 3 more\n"), "{shown}");
}

#[test]
fn passwords_are_starred_out() {
    for (text, expected) in [
        ("password = \"hunter2\"\nport = 1", "password = \"*******\"\nport = 1"),
        ("password='hunter2' # x", "password='*******' # x"),
        ("\"password\" = \"hunter2\"", "\"password\" = \"*******\""),
        ("redis.password = \"hunter2\"", "redis.password = \"*******\""),
        (
            "redis = { password = \"a\\\"b\", port = 1 }",
            "redis = { password = \"**\"*\", port = 1 }",
        ),
        ("password = \"\"\"\nab\n\"\"\" # x", "password = \"\"\"\n**\n\"\"\" # x"),
        ("password = hunter2\nx", "password = *******\nx"),
        ("password = \"hunter2\nx", "password = \"*******\nx"),
        ("password =\n  \"hunter2\"\nx", "password =\n  \"*******\"\nx"),
        ("password = [\n\"ab\",\n\"cd\"\n] # x", "password = *\n\"**\"*\n\"**\"\n* # x"),
        ("pasword: \u{e9}\u{e9}", "pasword: ****"),
        ("Passwrod = \"x\"", "Passwrod = \"*\""),
        ("requirepass hunter2", "requirepass *******"),
        ("auth_pass 1234", "auth_pass ****"),
        // keepalived.conf: arguments of scripts, keys, and words that hold none.
        ("script \"/a hunter2 b\" # x", "script \"/a *********\"****"),
        ("notify_master /a hunter2\nx", "notify_master /a *******\nx"),
        ("notify_fifo_script '/a' b", "notify_fifo_script '/a' *"),
        ("script /a\nscript", "script /a\nscript"),
        ("vrrp_script check {", "vrrp_script check {"),
        ("key 1 hex:00ff\nx", "key 1 ********\nx"),
        ("key 1 \"a b\"", "key 1 \"***\""),
        (
            "authentication {\nauth_type PASS\nauth_pass x\n}",
            "authentication {\nauth_type PASS\nauth_pass *\n}",
        ),
        ("auth_hmac {", "auth_hmac {"),
        ("witness = \"redis://:a@b@h:1/2\" # x@y", "witness = \"redis://****@h:1/2\" # x@y"),
        ("[\"http://a:b@h\", 'https://c@h']", "[\"http://***@h\", 'https://*@h']"),
        ("redis://:a b@h\n@x", "redis://****@h\n@x"),
        // Not passwords.
        ("redis://h:1\n@x", "redis://h:1\n@x"),
        ("password_file = \"/x\"", "password_file = \"/x\""),
        ("interface = \"eth0\"", "interface = \"eth0\""),
        ("password", "password"),
    ] {
        let masked = mask::secrets(text);
        assert_eq!(masked, expected);
        assert_eq!(masked.len(), text.len());
    }
}

#[test]
fn no_diagnostic_tells_a_password() {
    let good = crate::default_toml();
    for line in [
        "password = \"hunter2\" x",
        "password = hunter2",
        "password = \"hunter2",
        "password = [\"hunter2\"]",
        "password = { a = \"hunter2\" }",
        "pasword = \"hunter2\"",
        "password = \"\"\"hunter2\n",
        "password = \"hunter2\\q\"",
        "password =\n\"hunter2\"",
        "password \"hunter2\"",
        "pw = 1\npassword = \"hunter2\"\npassword = \"hunter2\"",
    ] {
        let text = good.replace("[redis]", &format!("[redis]\n{line}"));
        let found = crate::parse("keepair.toml", &text).expect_err(line);
        let mut shown = render(&found, &text, false);
        for one in &found {
            shown.push_str(&format!("{one} {one:?}"));
        }
        assert!(!shown.contains("hunter2"), "{line}\n{shown}");
    }
}
