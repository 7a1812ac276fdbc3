//! Comments, quotes, definitions, sequences, conditions and includes.

use super::{Files, found, good, options};
use crate::keepalived::{Limits, parse};

/// The words that come out of lines, as addresses of mails: any word is one.
#[track_caller]
fn words(lines: &str) -> String {
    let text = format!("global_defs {{\nnotification_email {{\n{lines}\n}}\n}}\n");
    let (text, files) = match lines.split_once("\n==> ") {
        Some((lines, files)) => (
            format!("global_defs {{\nnotification_email {{\n{lines}\n}}\n}}\n"),
            format!("==> {files}\n"),
        ),
        None => (text, String::new()),
    };
    let globals = good(&format!("{text}{files}")).globals;
    let words: Vec<&str> = globals.mail_to.iter().map(|word| word.as_str()).collect();
    words.join("|")
}

/// Rows of lines and the words of them; ` ;; ` ends a line.
#[track_caller]
fn rows(rows: &[(&str, &str)]) {
    for (lines, expected) in rows {
        assert_eq!(words(&lines.replace(" ;; ", "\n")), *expected, "{lines}");
    }
}

/// Rows of lines and what is found in them; they begin in line 3.
#[track_caller]
fn mistakes(rows: &[(&str, &[&str])]) {
    for (lines, expected) in rows {
        let lines = lines.replace(" ;; ", "\n");
        let (lines, files) = lines.split_once("\n==> ").unwrap_or((&lines, ""));
        let files = if files.is_empty() { String::new() } else { format!("==> {files}\n") };
        let text = format!("global_defs {{\nnotification_email {{\n{lines}\nz\n}}\n}}\n{files}");
        assert_eq!(found(&text), *expected, "{lines}");
    }
}

#[test]
fn trap_29_a_comment_begins_anywhere_and_single_quotes_do_not_protect() {
    rows(&[
        ("a # b", "a"),
        ("a#b", "a"),
        ("a!b", "a"),
        ("! a ;; b", "b"),
        ("'a#b' ;; c", "'a|c"),
        ("\"a#b!c\" # d", "a#b!c"),
        ("a\\#b\\!c", "a#b!c"),
        ("\"a\\#b\"", "a\\#b"),
    ]);
}

#[test]
fn only_double_quotes_are_quotes_and_they_end_a_word() {
    rows(&[
        ("\"a  b\" c", "a  b|c"),
        ("x\"y z\"w", "x|y z|w"),
        ("'a b'", "'a|b'"),
        ("a\\b \"c\\n\"", "a\\b|c\\n"),
        ("a\tb\u{b}c\u{c}d\r", "a|b|c|d"),
        ("\u{e9}\u{1f600}", "\u{e9}\u{1f600}"),
    ]);
    mistakes(&[
        ("a \"b", &["3:3 a quote without an end"]),
        ("\"a\\\"b\"", &["3:6 a quote without an end"]),
    ]);
}

#[test]
fn braces_are_words_of_their_own_outside_of_double_quotes() {
    rows(&[("\"{\" \"}\"", "{|}"), ("a", "a")]);
    let one_line = good("global_defs { notification_email { a b } router_id c } ");
    assert_eq!(one_line.globals.router_id.map(|id| id.value), Some("c".to_owned()));
    assert_eq!(one_line.globals.mail_to.len(), 2);
    let apart = good("global_defs\n\n# here\n{\nrouter_id c\n}\n");
    assert!(apart.globals.router_id.is_some());
}

#[test]
fn a_definition_is_put_in_late() {
    rows(&[
        ("$A=x ;; $A", "x"),
        (" $A= x  y  ;; $A", "x|y"),
        ("$A=\"x  y\" ;; $A", "x  y"),
        ("$A=x # comment ;; $A", "x"),
        ("$A= ;; a${A}b", "ab"),
        ("$A=x ;; $A=y ;; $A", "y"),
        ("$A=$B ;; $B=1 ;; $A ;; $B=2 ;; $A", "1|2"),
        (
            "$BASE=10.2.${SUB} ;; $SUB=0 ;; ${BASE}.100 ;; $SUB=10 ;; ${BASE}.100",
            "10.2.0.100|10.2.10.100",
        ),
        ("$A=x ;; \"$A y\"", "x y"),
        ("$A=x ;; p$A,q ;; ($A)", "px,q|(x)"),
        ("$_A=x ;; $_A", "x"),
        // What nobody defined stays.
        ("pa$$word", "pa$$word"),
        ("a$b", "a$b"),
    ]);
}

#[test]
fn a_definition_counts_only_before_a_blank_unless_in_braces() {
    rows(&[("$A=x ;; ${A}y z${A}", "xy|zx"), ("$A=x ;; $Ay z", "$Ay|z")]);
    mistakes(&[
        ("$A=x ;; $A/b", &["4:3 warning: `$A` right before `/` is not replaced"]),
        ("$A=x ;; \"$A\"", &["4:4 warning: `$A` right before `\\\"` is not replaced"]),
        ("$A", &["3:1 warning: this is not defined; it is taken as it stands"]),
        ("\"x ${A}\"", &["3:4 warning: this is not defined; it is taken as it stands"]),
        ("x${A}", &["3:2 this is not defined"]),
        ("$A=x ;; ${A }", &["4:2 `notification_email` takes names only"]),
        ("${7}", &["3:2 `notification_email` takes names only"]),
        ("$A = x", &["3:1 warning: this is not defined; it is taken as it stands"]),
    ]);
}

#[test]
fn a_definition_of_several_lines() {
    rows(&[
        ("$A= \\ ;; a \\ ;; b ;; $A", "a|b"),
        ("$A=a \\ ;; b ;; $A", "a|b"),
        ("$A= \\ ;; a \\ ;; b ;; x $A", "x|a|b"),
        ("$A= \\ ;; a # comment \\ ;; # comment \\ ;; b ;; $A", "a|b"),
        ("$A= \\ ;; $N=1 \\ ;; $B ;; $B= \\ ;; b${N} \\ ;; c ;; $A", "b1|c"),
        ("$A= \\ ;; @redis-1 a \\ ;; @redis-2 b \\ ;; c ;; $A", "a|c"),
        // keepalived leaves out the first line only.
        ("@redis-2 $A= \\ ;; a \\ ;; b ;; c", "c"),
    ]);
    mistakes(&[
        ("$A= \\ ;; a \\ ;; b ;; $A c", &["6:1 something follows `$A`, which has several lines"]),
        ("a \\ ;; b", &["3:3 a backslash at the end of a line continues it only in a definition"]),
        ("a # \\ ;; b", &[]),
        (
            "$A= \\ ;; a \\ ;; # here ;; $A",
            &["5:1 the definition of `$A` ends with a line that has no text"],
        ),
        ("$A= \\ ;; a \\ ;; ;; $A", &[]),
    ]);
    assert_eq!(
        found("$A= \\\nrouter_id a \\"),
        ["1:1 the definition of `$A` has no end"],
        "keepalived forgets it"
    );
}

#[test]
fn what_the_reader_defines_itself() {
    rows(&[
        ("${_PWD} $_PWD", "/etc|/etc"),
        ("${_INSTANCE}", "redis-1"),
        ("a${_HASH}b${_BANG}c \"${_HASH}\"", "a#b!c|#"),
        ("x${_RANDOM 3 3}y", "x3y"),
        ("${_ENV HOME}", "/root"),
        ("include sub/a.conf ;; ==> sub/a.conf ;; ${_PWD}", "/etc/sub"),
    ]);
    mistakes(&[
        ("${_RANDOM 5 3}", &["3:1 `5 3` are no bounds of a random number"]),
        ("${_ENV NONE}", &["3:1 the environment has no `NONE`"]),
    ]);
    let random = |seed: &str| words(&format!("{seed}${{_RANDOM}} ${{_RANDOM 0 4294967295}}"));
    assert_eq!(random(""), random(""));
    let seeded = |seed: u32| {
        let text = format!(
            "global_defs {{\nrandom_seed {seed}\nnotification_email {{\n${{_RANDOM}}\n}}\n}}\n"
        );
        good(&text).globals.mail_to
    };
    assert_eq!(seeded(1), seeded(1));
    assert_ne!(seeded(1), seeded(2));
}

#[test]
fn sequences() {
    rows(&[
        ("~SEQ(N, 0, 3) 10.0.${N}.1", "10.0.0.1|10.0.1.1|10.0.2.1|10.0.3.1"),
        ("~SEQ(N,0,2,6) $N", "0|2|4|6"),
        ("~SEQ(N,3,1) $N", "3|2|1"),
        ("~SEQ(N,3) $N", "1|2|3"),
        ("~SEQ(N,-2) $N", "-1|-2"),
        ("~SEQ(N,5,-2,1) $N", "5|3|1"),
        ("~SEQx(N, 144, 16, 192) fe80::${N}", "fe80::90|fe80::a0|fe80::b0|fe80::c0"),
        ("~SEQx(N, 0x90, 0x10, 0xb0) $N", "90|a0|b0"),
        ("~SEQ( N , 1 , 2 )x$N", "x1|x2"),
        ("~SEQ(A,1,2) ~SEQ(B,1,2) ${A}.${B}", "1.1|1.2|2.1|2.2"),
        ("$M=2 ;; ~SEQ(N,1,$M) $N ;; ~SEQ(N,1,${M}) $N", "1|2|1|2"),
        ("$N=7 ;; ~SEQ(N,1,2) x$N ;; $N", "x1|x2|2"),
        ("$A=~SEQ(N,1,2) x$N ;; $A", "x1|x2"),
        ("$A= \\ ;; a${N} \\ ;; b${N} ;; ~SEQ(N,1,2) $A", "a1|b1|a2|b2"),
        ("~SEQ(N,1,2) @redis-1 $N", "1|2"),
        ("~SEQ(N,1,3) ;; a", "a"),
        ("~FOO(N,1,3) a", "~FOO(N,1,3)|a"),
    ]);
    for bad in [
        "(N)",
        "(N,1,0,2)",
        "(N,1,-1,2)",
        "(N,3,1,2)",
        "(N,x,2)",
        "(1N,1,2)",
        "(N,1,1,2,3)",
        "()",
        " N,1,2",
    ] {
        let text = format!("~SEQ{bad} ${{N}}");
        let says = found(&text);
        assert_eq!(says, ["1:1 this is no sequence"], "{text}");
    }
    mistakes(&[("a ;; ~SEQ(N,1,2 $N", &["4:1 this is no sequence"])]);
}

#[test]
fn lists() {
    rows(&[
        ("~LST(N, 1, b, c-d) x$N", "x1|xb|xc-d"),
        ("~LST({A, B}, {10,1},{20,4}, {5,6}) ${A}.${B}", "10.1|20.4|5.6"),
        ("~LST(A, 1, 2) ~LST(B, 5, 6) ${A}.${B}", "1.5|1.6|2.5|2.6"),
        (
            "~LST({A, B}, {1,2},{3,4}) ~SEQ(C,168,2,170) ${C}.${A}.${B}",
            "168.1.2|170.1.2|168.3.4|170.3.4",
        ),
        ("~LST(A,) x${A}y", "xy"),
    ]);
    for bad in
        ["(A)", "(A, b c)", "(A, \"b\")", "({A,B},{1,2},{3)", "({A,B}, 1, 2)", "({A,B},{1},{2,3})"]
    {
        let says = found(&format!("~LST{bad} a"));
        assert_eq!(says, ["1:1 this is no sequence"], "{bad}");
    }
}

#[test]
fn conditions() {
    rows(&[
        ("@redis-1 a ;; @^redis-1 b ;; @redis-2 c ;; @^redis-2 d", "a|d"),
        ("@redis-1 ;; @redis a ;; @redis-11 b ;; @ c ;; @^ d ;; e @redis-1", "d|e|@redis-1"),
        ("@redis-1\ta", "a"),
        ("$IF=@redis-1 ;; $IF a", "a"),
        ("$IF=@redis-2 ;; $IF a ;; b", "b"),
        ("@redis-1 $A=1 ;; @redis-2 $A=2 ;; $A", "1"),
        ("@redis-1 ~SEQ(N,1,2) $N", "1|2"),
        ("\"@redis-2\"", "@redis-2"),
    ]);
    mistakes(&[
        ("@redis-1 @redis-2 a ;; b", &["3:10 a second condition for one line"]),
        ("@${A} a ;; b", &["3:1 warning: the condition `@${A}` is taken literally"]),
    ]);
    // The rest of the line goes with it, braces too.
    let text = "global_defs { @redis-2 router_id a }\n@redis-1 router_id b }";
    assert_eq!(good(text).globals.router_id.map(|id| id.value), Some("b".to_owned()));
}

#[test]
fn includes() {
    rows(&[
        ("include a.conf ;; b ;; ==> a.conf ;; a", "a|b"),
        ("include /etc/a.conf ;; ==> a.conf ;; a", "a"),
        ("include sub/a.conf ;; ==> sub/a.conf ;; include b.conf ;; ==> sub/b.conf ;; b", "b"),
        (
            "include *.d/*.conf ;; ==> y.d/b.conf ;; 3 ;; ==> x.d/b.conf ;; 2 ;; ==> x.d/a.conf ;; 1",
            "1|2|3",
        ),
        ("include sub/[^a].con? ;; ==> sub/a.conf ;; a ;; ==> sub/b.conf ;; b", "b"),
        ("include sub/{b,a}.conf ;; ==> sub/a.conf ;; a ;; ==> sub/b.conf ;; b", "b|a"),
        ("include sub/{b,none}.conf ;; ==> sub/b.conf ;; b", "b"),
        ("include none/*.conf ;; a", "a"),
        ("include sub/* ;; ==> sub/.a.conf ;; a ;; ==> sub/b.conf ;; b", "b"),
        ("includer a.conf ;; includem a.conf ;; includea a.conf ;; ==> a.conf ;; a", "a|a|a"),
        ("include a.conf # comment ;; ==> a.conf ;; a", "a"),
        ("$F=a ;; include ${F}.conf ;; ==> a.conf ;; a", "a"),
        ("@redis-1 include a.conf ;; @redis-2 include b.conf ;; ==> a.conf ;; a", "a"),
        ("include", "include"),
        ("includes a", "includes|a"),
        // Blocks may end in another file, and definitions go on.
        ("$A=1 ;; include a.conf ;; $B ;; ==> a.conf ;; $A ;; $B=2", "1|2"),
    ]);
    let text = "include a.conf\nrouter_id a\n}\n==> a.conf\nglobal_defs {\n";
    assert!(good(text).globals.router_id.is_some());
}

#[test]
fn what_is_not_there_is_missed() {
    let missing = ["3:9 there is no file `/etc/a.conf`"];
    mistakes(&[
        ("include a.conf", &missing),
        ("includem a.conf", &["3:10 there is no file `/etc/a.conf`"]),
        ("include sub ;; ==> sub/a.conf ;; a", &["3:9 `/etc/sub` is no file"]),
        ("includew *.none", &["3:10 no file matches `/etc/*.none`"]),
        ("includeb {a,b}.conf ;; ==> a.conf ;; a", &["3:10 there is no file `/etc/b.conf`"]),
        (
            "include \"a.conf\" ;; ==> a.conf ;; a",
            &["3:9 `\"a.conf\"` has quotes in its name", "3:9 there is no file `/etc/\"a.conf\"`"],
        ),
        (
            "include a.conf ;; ==> a.conf ;; include b.conf",
            &["a.conf:1:9 there is no file `/etc/b.conf`"],
        ),
    ]);
    // What keepalived only logs can be tolerated; what it is told to check can't.
    let text = |variant: &str| {
        format!("global_defs {{\non_dropped warn\n{variant} a.conf\nrouter_id a\n}}\n")
    };
    assert_eq!(found(&text("include")), ["3:9 warning: there is no file `/etc/a.conf`"]);
    assert_eq!(found(&text("includem")), ["3:10 there is no file `/etc/a.conf`"]);
    let checked = text("include_check match\ninclude");
    assert_eq!(found(&checked), ["4:9 there is no file `/etc/a.conf`"]);
    let unchecked = text("include_check\ninclude_check -match\ninclude");
    assert_eq!(found(&unchecked), ["5:9 warning: there is no file `/etc/a.conf`"]);
    let unknown = text("include_check mach\ninclude");
    assert_eq!(found(&unknown)[0], "3:15 `mach` is no check of `include_check`");
    // A file's checks end with it.
    let inner = "global_defs {\non_dropped warn\ninclude b.conf\ninclude a.conf\n}\n==> b.conf\ninclude_check\n";
    assert_eq!(found(inner), ["4:9 warning: there is no file `/etc/a.conf`"]);
}

#[test]
fn a_file_that_includes_itself_is_an_error() {
    assert_eq!(found("include keepalived.conf"), ["1:9 `/etc/keepalived.conf` includes itself"],);
    assert_eq!(
        found("include a.conf\n==> a.conf\ninclude keepalived.conf\n"),
        ["a.conf:1:9 `/etc/keepalived.conf` includes itself"],
    );
    // Twice one after the other is no trouble.
    let text = "include a.conf\ninclude a.conf\n==> a.conf\n# nothing\n";
    assert_eq!(found(text), Vec::<String>::new());
}

#[test]
fn a_definition_that_contains_itself_is_an_error() {
    assert_eq!(
        found("$A=x ${A}\nrouter_id $A"),
        ["2:11 the value of `$A` contains `$A` [1:6 in the value of `$A`]"],
    );
    assert_eq!(
        found("$A=${B}\n$B=${A}\nrouter_id $A"),
        ["3:11 the value of `$A` contains `$A` [1:4 in the value of `$A`] \
             [2:4 in the value of `$B`]"],
    );
    assert_eq!(
        found("$A= \\\nb \\\n$A\n$A"),
        ["4:1 the value of `$A` contains `$A` [3:1 in the value of `$A`]"],
    );
}

#[test]
fn a_word_knows_where_it_comes_from() {
    // Used, defined.
    assert_eq!(
        found("$RISE=0\nvrrp_script V {\nscript /a\nrise $RISE\n}")[1],
        "4:6 `rise`: `0` is out of range [1:7 in the value of `$RISE`]",
    );
    // Half of the word is from here.
    assert_eq!(
        found("$N=0\nstatic_ipaddress {\n10.0.${N}.300 dev eth0\n}"),
        ["3:1 `10.0.0.300` is not an address"],
    );
    // The second line of a definition in a definition, in a round, in another file.
    let text = "\
$B= \\
router_id a \\
unknown ${N}
$A= \\
$B
include a.conf
==> a.conf
global_defs {
~SEQ(N, 7, 7) $A
}
";
    assert_eq!(
        found(text),
        ["a.conf:2:15 unknown keyword `unknown` in `global_defs` [a.conf:2:1 with `$N` = `7`] \
             [5:1 in the value of `$A`] [3:1 in the value of `$B`]"],
    );
}

#[test]
fn as_it_is_shown() {
    let text = "\
$ADDRESS=172.18.0.300
vrrp_instance VI_1 {
    interface eth0
    virtual_router_id 51
    virtual_ipaddress {
        $ADDRESS dev eth0
    }
    no_virtual_ipaddress
}
";
    let expected = "\
error: `172.18.0.300` is not an address
 --> /etc/keepalived.conf:6:9
  |
6 |         $ADDRESS dev eth0
  |         ^^^^^^^^
  |
  = help: four numbers from 0 to 255, without leading zeroes
note: in the value of `$ADDRESS`
 --> /etc/keepalived.conf:1:10
  |
1 | $ADDRESS=172.18.0.300
  |          ^^^^^^^^^^^^
";
    assert_eq!(super::read(text).render(false), expected);
}

#[test]
fn odd_bytes() {
    // A comment may be anything.
    let latin1 = b"global_defs { # gr\xfc\xdfe\nrouter_id a\n}\n";
    let machine = Files([("/c".to_owned(), latin1.to_vec())].into());
    assert!(parse("/c", &machine, &options()).file.is_some());
    let bad = b"global_defs {\nrouter_id \xfc\n}\n";
    let machine = Files([("/c".to_owned(), bad.to_vec())].into());
    let parsed = parse("/c", &machine, &options());
    assert_eq!(parsed.diagnostics[0].message, "`\u{fffd}` is not UTF-8");
    assert_eq!(found("global_defs {\nrouter_id a\0b\n}"), ["2:11 a NUL in the text"]);
    assert_eq!(words("\u{feff}a"), "\u{feff}a");
    assert!(good("\u{feff}global_defs {\r\nrouter_id a\r\n}\r\n").globals.router_id.is_some());
    // keepalived cuts a line of more than 1024 bytes in two.
    assert_eq!(words(&"x".repeat(5_000)).len(), 5_000);
}

#[test]
fn nothing_grows_without_bounds() {
    let laughs = "$A=xxxxxxxxxx\n$B=${A}${A}${A}${A}${A}${A}${A}${A}${A}${A}\n";
    let laughs = format!(
        "{laughs}$C={}\n$D={}\n$E={}\nrouter_id $E",
        "${B}".repeat(10),
        "${C}".repeat(10),
        "${D}".repeat(100)
    );
    let cases = [
        ("~SEQ(A,1,1000000000) x", "written out, the configuration is longer than 2000"),
        (
            "~SEQ(A,1,90) ~SEQ(B,1,90) ~SEQ(C,1,90) ${A}",
            "written out, the configuration is longer than 2000",
        ),
        (&laughs, "written out, the configuration is longer than 2000"),
        ("~SEQ(A,1,900) include b.conf\n==> b.conf\n", "the configuration is longer than 20000"),
        ("include b0.conf\n", "files included deeper than 3"),
        ("$A=$B\n$B=$C\n$C=$D\n$D=$E\n$E=$F\n$F=x\n$A", "definitions nested deeper than 4"),
        (
            "$A= \\\n$B \\\n1\n$B= \\\n$C \\\n2\n$C= \\\n$D \\\n3\n$D= \\\n$E \\\n4\n$E= \\\n$F \\\n5\n$F=x\n$A",
            "definitions nested deeper than 4",
        ),
        ("a{\nb{\nc{\nd{\ne{\n}}}}}", "blocks nested deeper than 3"),
    ];
    let limits = Limits { bytes: 20_000, characters: 2_000, includes: 3, expansions: 4, blocks: 3 };
    for (text, expected) in cases {
        let mut text = text.to_owned();
        for file in 0..9 {
            text.push_str(&format!("\n==> b{file}.conf\ninclude b{}.conf\n", file + 1));
        }
        let options = super::Options { limits, ..options() };
        let parsed = parse("/etc/keepalived.conf", &Files::new(&text), &options);
        let messages: Vec<&str> =
            parsed.diagnostics.iter().map(|one| one.message.as_str()).collect();
        assert!(messages.contains(&expected), "{text}\n{messages:?}");
        assert!(parsed.file.is_none());
    }
}

#[test]
fn a_missing_main_file() {
    let parsed = parse("/none", &Files::default(), &options());
    let shown: Vec<String> = parsed.diagnostics.iter().map(ToString::to_string).collect();
    assert!(shown[0].starts_with("error: there is no file `/none`"), "{shown:?}");
    assert!(parsed.file.is_none());
}
