//! `countersign check` in front of a server that answers as it is told.

use std::{fs, net::TcpListener, os::unix::fs::PermissionsExt as _};

use serde_json::Value;

use crate::{
    command::{countersign, expect},
    port::Port,
    server::{GOOD, LIVE, prepare, server},
};

#[test]
fn a_live_cookie_shows_what_is_understood() {
    let folder = tempfile::tempdir().unwrap();
    let port = server(GOOD);
    prepare(folder.path(), port);
    let login = format!("http://127.0.0.1:{port}/login");
    let arguments = ["check", "--config", "gateway.toml", "--cookie-file", "cookie", "--login-url", &login];
    let ran = countersign(folder.path(), &arguments, "");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(!format!("{ran:?}").contains("planted") && !ran.output.contains("7f3a9c1e"), "{ran:?}");
    expect("check.txt", &stable(&ran.output, port));
    let ran = countersign(folder.path(), &[&arguments[..], &["--json"]].concat(), "");
    let printed: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(printed["cookie"]["grade"], "C", "{ran:?}");
    assert!(!ran.output.contains("planted"));
}

/// As the README has it: of a live cookie alone there is its value to grade.
#[test]
fn the_line_of_the_readme_asks_shows_and_grades() {
    let readme = include_str!("../../../../README.md");
    let line = readme.lines().find(|line| line.starts_with("countersign check ")).unwrap();
    let (command, promise) = line.split_once('#').unwrap();
    for word in ["asks your server", "shows a token", "grades the cookie's value"] {
        assert!(promise.contains(word), "{line}");
    }
    let arguments: Vec<&str> = command.split_whitespace().skip(1).collect();
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), server(GOOD));
    fs::rename(folder.path().join("cookie"), folder.path().join("live-cookie")).unwrap();
    let ran = countersign(folder.path(), &arguments, "");
    assert_eq!(ran.code, 0, "{ran:?}");
    for part in
        ["authorization server", "\"aud\": \"orders\"", "old cookie `SESSION`: grade ", " of its value"]
    {
        assert!(ran.output.contains(part), "no `{part}` in {ran:?}");
    }
    let flat = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(flat.contains("with `--login-url`, to have the rest of it graded"), "{ran:?}");
    assert!(!format!("{ran:?}").contains("planted"), "{ran:?}");
    let ran = countersign(folder.path(), &[&arguments[..], &["--json"]].concat(), "");
    let printed: Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(printed["cookie"]["of"], "value", "{ran:?}");
}

/// The server understands quotes, as many do; the gateway does not, and no request would get as far as the server.
#[test]
fn a_cookie_that_the_gateway_refuses_is_not_ready_whatever_the_server_says() {
    for value in [format!("\"{LIVE}\""), format!("a,{LIVE}"), format!("{LIVE};a")] {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path(), server(GOOD));
        fs::write(folder.path().join("cookie"), value).unwrap();
        let arguments = ["check", "--config", "gateway.toml", "--cookie-file", "cookie"];
        let ran = countersign(folder.path(), &arguments, "");
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.output.contains("FAIL  the gateway ") && !ran.output.contains("planted"), "{ran:?}");
        assert!(ran.output.contains("the given session is called live"), "{ran:?}");
    }
}

/// Without what differs from run to run.
pub(crate) fn stable(output: &str, port: u16) -> String {
    let mut text = String::new();
    for line in output.lines() {
        let varies = ["\"exp\": ", "\"iat\": ", "\"jti\": ", "\"sid\": "]
            .iter()
            .find(|name| line.trim_start().starts_with(**name));
        match varies {
            Some(name) => text.push_str(&format!("    {name}…,")),
            None => text.push_str(&line.replace(&format!(":{port}"), ":PORT")),
        }
        text.push('\n');
    }
    text
}

#[test]
fn a_dead_cookie_fails_and_says_what_it_can_mean() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), server("{\"active\":false}"));
    let ran =
        countersign(folder.path(), &["check", "--config", "gateway.toml", "--cookie-file", "cookie"], "");
    assert_eq!(ran.code, 1);
    assert!(
        ran.output.contains("FAIL  the session you gave is called dead")
            && ran.output.contains("not ready: 1 fault"),
        "{ran:?}"
    );
}

/// Of a page other things are asked than of an introspection endpoint, and it may replace the cookie.
#[test]
fn a_page_that_says_who_is_logged_in_is_spoken_of_as_one() {
    let check = |live: &'static str| {
        let folder = tempfile::tempdir().unwrap();
        let port = server(live);
        prepare(folder.path(), port);
        let file = folder.path().join("gateway.toml");
        let text = fs::read_to_string(&file).unwrap();
        let introspection = format!(
            "introspect = \"http://127.0.0.1:{port}/introspect\"\nclient_id = \"gateway\"\nclient_secret_file = \"secret\"\n"
        );
        let page = text.replace(&introspection, &format!("whoami = \"http://127.0.0.1:{port}/me\"\n"));
        assert_ne!(page, text);
        fs::write(&file, page).unwrap();
        let arguments = ["check", "--config", "gateway.toml", "--cookie-file", "cookie"];
        let ran = countersign(folder.path(), &arguments, "");
        assert!(!ran.output.contains("planted"), "{ran:?}");
        (ran.code, ran.output.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let (code, text) = check(GOOD);
    assert!(code == 0 && text.contains("note it replaced the cookie while it was asked"), "{text}");
    let (code, text) = check("null");
    assert!(code == 1 && text.contains("FAIL the session you gave is called dead by `whoami`"), "{text}");
    assert!(!text.contains("our client") && !text.contains("replaced the cookie"), "{text}");
}

#[test]
fn an_answer_that_cannot_be_used_names_its_members_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), server(r#"{"active":true,"sub":"planted-subject","roles":["planted-role"]}"#));
    let ran =
        countersign(folder.path(), &["check", "--config", "gateway.toml", "--cookie-file", "cookie"], "");
    assert_eq!(ran.code, 1);
    let flat = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains(
            "session.org.id (`claims.organisation`) is not in the answer: it has session.active, session.roles, session.sub"
        ),
        "{ran:?}"
    );
    assert!(!ran.output.contains("planted"));
}

/// Whom a log-out token ends depends on what the server's answers tell.
#[test]
fn what_a_log_out_token_ends_is_told() {
    const ANSWERS: [&str; 3] = [
        GOOD,
        r#"{"active":true,"sub":"u-1001","sid":"planted-sid","uid":"7","authorities":["editor"],"org":{"id":"acme"}}"#,
        r#"{"active":true,"uid":"7","authorities":["editor"],"org":{"id":"acme"}}"#,
    ];
    let [neither, named, without_sub] = ANSWERS;
    let by_sid = "note backchannel_logout: a log-out token ends the session that its `sid` names, if the server's \
                  answers have `sid`; if no answer has, every session of its `sub`, and without `sub` it is refused";
    let no_sub = "warn backchannel_logout: `claims.subject` is not the server's `sub`, so a log-out token is refused \
                  unless it has `sid` and the server's answers have it too";
    let known = "ok its `sid` is known: a log-out token that names it ends this session";
    let unknown = "ok the answer has no `sid`: a log-out token ends every session of its `sub`";
    let refused = "warn the answer has no `sid`, and `claims.subject` is not the server's `sub`: every log-out token is \
                   refused";
    for (answer, subject, said) in [
        (named, "", [by_sid, known]),
        (neither, "", [by_sid, unknown]),
        (named, "subject = \"session.uid\"\n", [no_sub, known]),
        (without_sub, "subject = \"session.uid\"\n", [no_sub, refused]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        prepare(folder.path(), server(answer));
        let file = folder.path().join("gateway.toml");
        let check = |text: &str| {
            fs::write(&file, text).unwrap();
            let arguments = ["check", "--config", "gateway.toml", "--cookie-file", "cookie"];
            let ran = countersign(folder.path(), &arguments, "");
            assert!(ran.code == 0 && !ran.output.contains("planted"), "{ran:?}");
            ran.output.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let text = fs::read_to_string(&file).unwrap().replace("[claims]\n", &format!("[claims]\n{subject}"));
        assert!(!check(&text).contains("log-out token"), "nobody sends any");
        let told = check(&format!(
            "internal_listen = \"127.0.0.1:0\"\n{text}[backchannel_logout]\nissuer = \"https://sso.example\"\n"
        ));
        for line in said {
            assert!(told.contains(line), "no `{line}` in {told}");
        }
    }
}

#[test]
fn a_server_that_is_not_there_fails() {
    let folder = tempfile::tempdir().unwrap();
    let nobody = Port::reserved();
    prepare(folder.path(), nobody.address.port());
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
    assert_eq!(ran.code, 1);
    assert!(ran.output.contains("FAIL  the authorization server cannot be asked"), "{ran:?}");
    assert_eq!(ran.output.matches("onnection refused").count(), 1, "{ran:?}");
    assert!(
        ran.output.contains(&format!("http://{}/introspect: connection refused", nobody.address)),
        "{ran:?}"
    );
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml", "--offline"], "");
    assert_eq!(ran.code, 0);
    let verdict = "\nready, as far as was looked: not at authorization server, state_dir, ports\n";
    assert!(ran.output.ends_with(verdict), "{ran:?}");
}

#[test]
fn files_of_the_command_line_are_checked() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), 9);
    fs::write(folder.path().join("two"), "planted one\nplanted two").unwrap();
    fs::write(folder.path().join("other"), "Set-Cookie: other=1").unwrap();
    for (arguments, words) in [
        (["--cookie-file", "none"], "there is no such file"),
        (["--cookie-file", "two"], "holds no credential"),
        (["--token-file", "cookie"], "accepts no bearer tokens"),
        (["--set-cookie-file", "other"], "holds no `Set-Cookie` of `SESSION`"),
        (["--login-url", "ftp://a/"], "no http or https URL"),
    ] {
        let ran = countersign(
            folder.path(),
            &[&["check", "--config", "gateway.toml"][..], &arguments].concat(),
            "",
        );
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.complaint.contains(words) && !ran.complaint.contains("planted"), "{ran:?}");
    }
}

#[test]
fn bearer_tokens_whose_scope_bounds_no_role_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), 9);
    let file = folder.path().join("gateway.toml");
    let cookie = fs::read_to_string(&file).unwrap();
    let bearer = cookie.replace("[session]\n", "[session]\nbearer = true\naccept_clients = [\"shop-web\"]\n");
    let bounded = format!("{bearer}[[claims.role]]\nname = \"editor\"\nscope = \"orders:write\"\n");
    for (config, is_warned_of) in [(cookie, false), (bearer, true), (bounded, false)] {
        fs::write(&file, &config).unwrap();
        let ran = countersign(folder.path(), &["check", "--config", "gateway.toml", "--offline"], "");
        assert_eq!(ran.code, 0, "{ran:?}");
        let flat = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
        let warning = "session.bearer without `[[claims.role]]`: whatever scope a client was granted";
        assert_eq!(flat.contains(warning), is_warned_of, "{config}\n{ran:?}");
    }
}

/// Wherever it stands, as a setting of any section; in a comment it does no harm.
#[test]
fn the_issuer_of_the_audit_is_never_ready_for_production() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), 9);
    let file = folder.path().join("gateway.toml");
    let good = fs::read_to_string(&file).unwrap();
    let check = ["check", "--config", "gateway.toml", "--offline"];
    fs::write(&file, format!("# not https://countersign-audit.invalid\n{good}")).unwrap();
    assert_eq!(countersign(folder.path(), &check, "").code, 0);

    let as_issuer =
        good.replace("issuer = \"https://shop.example\"", "issuer = \"https://countersign-audit.invalid\"");
    assert_ne!(as_issuer, good);
    fs::write(&file, as_issuer).unwrap();
    let ran = countersign(folder.path(), &check, "");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.complaint.contains("made to be refused"), "{ran:?}");

    let beside = format!(
        "{good}\n[browser]\nlogin_url = \"https://countersign-audit.invalid/login?next={{return}}\"\n"
    );
    fs::write(&file, beside).unwrap();
    let ran = countersign(folder.path(), &check, "");
    assert_eq!(ran.code, 1, "{ran:?}");
    let flat = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        flat.contains("names the issuer of `countersign audit`") && flat.contains("not ready"),
        "{ran:?}"
    );
}

/// What `run` would stumble over.
#[test]
fn nothing_is_ready_that_would_not_start() {
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path(), server(GOOD));
    let file = folder.path().join("gateway.toml");
    let good = fs::read_to_string(&file).unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let nowhere = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let key = folder.path().join("kek");
    fs::write(&key, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let store = format!("encryption_key_file = \"kek\"\n{good}[store]\nurl = \"valkey://{nowhere}\"\n");
    for (config, said) in [
        (
            good.replacen("listen = \"127.0.0.1:0\"", &format!("listen = \"{address}\""), 1),
            format!("listen {address}: somebody else listens there"),
        ),
        (good.replace("state_dir = \"state\"", "state_dir = \"file\""), "state_dir: `file`".to_owned()),
        (store, format!("no connection to {nowhere}: a gateway does not start without it")),
    ] {
        assert_ne!(config, good);
        fs::write(&file, config).unwrap();
        let ran = countersign(folder.path(), &["check", "--config", "gateway.toml"], "");
        assert_eq!(ran.code, 1, "{said}: {ran:?}");
        let flat = ran.output.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(flat.contains(&format!("FAIL {said}")) || flat.contains(&said), "{said}: {ran:?}");
        assert!(flat.contains("not ready: "), "{ran:?}");
    }
    fs::write(&key, "not Base64, and planted").unwrap();
    fs::write(&file, format!("encryption_key_file = \"kek\"\n{good}")).unwrap();
    let ran = countersign(folder.path(), &["check", "--config", "gateway.toml", "--offline"], "");
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.complaint.contains("encryption_key_file: does not hold 32 bytes in Base64"), "{ran:?}");
    assert!(!ran.complaint.contains("planted"), "{ran:?}");
}
