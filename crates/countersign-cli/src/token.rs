//! `countersign token`: what a token says, and whether it is valid. The signature is never printed: without it, what
//! is printed opens nothing.

mod keys;
mod parts;

use std::{io::Read as _, path::Path};

use countersign::{Clock as _, Secret, SystemClock, TokenRefusal, UnixTime};
use countersign_gateway::admin::{AskedToken, Question, client};
use serde_json::{Value, json};

use crate::{
    arguments::TokenArguments,
    exit::Exit,
    fetch,
    moment::{from_now, moment},
    screen::{self, Mark, Screen},
    token::{keys::Judge, parts::Parts},
};

/// The longest text that is read.
const MAX_BYTES: u64 = 64 * 1024;

/// What came of the verification.
enum Verdict {
    /// Nobody said whose keys.
    NotVerified,
    /// Verified, as the given audience.
    Valid(String, Seen),
    /// Good but for what is revoked at the gateway that runs: what, and how it is lifted.
    Revoked(String),
    /// Refused.
    Refused(TokenRefusal),
    /// There was nothing to verify with.
    NoKeys(String),
}

/// Whether it was looked at what is revoked.
enum Seen {
    /// It is not.
    Good,
    /// Nobody could be asked, and why.
    Unseen(String),
    /// Nobody was named who knows.
    Nobody,
}

/// `countersign token`.
pub(crate) fn run(arguments: &TokenArguments, screen: &Screen) -> Exit {
    let token = match read() {
        Ok(token) => token,
        Err(problem) => return complain(&problem, Exit::Usage),
    };
    let Some(parts) = Parts::of(token.expose()) else {
        return complain(
            "this is not a signed token: three segments of base64url with JSON in the first two",
            Exit::Failed,
        );
    };
    let now = SystemClock.now();
    let verdict = match keys::judge(arguments, &parts, screen) {
        Ok(Judge::None) => Verdict::NotVerified,
        Ok(Judge::Verifier { verifier, audience, state_dir }) => {
            match verifier.verify_at(token.expose().as_bytes(), now) {
                Ok(_) => look_at_revocations(&parts, audience, state_dir.as_deref()),
                Err(refusal) => Verdict::Refused(refusal),
            }
        }
        Ok(Judge::Missing(problem)) => Verdict::NoKeys(problem),
        Err(exit) => return exit,
    };
    if arguments.json {
        screen::print_json(&as_json(&parts, &verdict));
    } else {
        screen::print(&as_text(*screen, &parts, &verdict, now));
    }
    match verdict {
        Verdict::NotVerified | Verdict::Valid(..) => Exit::Good,
        Verdict::Refused(_) | Verdict::Revoked(_) | Verdict::NoKeys(_) => Exit::Failed,
    }
}

/// Asks the gateway that runs, which alone knows.
fn look_at_revocations(parts: &Parts, audience: String, state_dir: Option<&Path>) -> Verdict {
    let Some(state_dir) = state_dir else { return Verdict::Valid(audience, Seen::Nobody) };
    let question = match serde_json::from_value::<AskedToken>(parts.claims.clone()) {
        Ok(asked) => Question::Token(asked),
        Err(error) => return Verdict::Valid(audience, Seen::Unseen(error.to_string())),
    };
    let seen = match fetch::wait(client::refusing(state_dir, &question)) {
        Ok(Ok(Some(target))) => return Verdict::Revoked(client::told(&target, state_dir)),
        Ok(Ok(None)) => Seen::Good,
        Ok(Err(error)) => Seen::Unseen(error.to_string()),
        Err(error) => Seen::Unseen(error.to_string()),
    };
    Verdict::Valid(audience, seen)
}

fn complain(problem: &str, exit: Exit) -> Exit {
    screen::complain(&format!("countersign token: {problem}\n"));
    exit
}

/// Standard input without white space around it and without `Bearer`.
fn read() -> Result<Secret<String>, String> {
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_BYTES).read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(|error| format!("standard input cannot be read ({})", error.kind()))?;
    let token = text.expose().trim();
    let token = token.strip_prefix("Bearer ").unwrap_or(token).trim();
    if token.is_empty() {
        Err("give the token on standard input".to_owned())
    } else {
        Ok(Secret::new(token.to_owned()))
    }
}

fn as_text(screen: Screen, parts: &Parts, verdict: &Verdict, now: UnixTime) -> String {
    let mut text = screen.heading("header").trim_start().to_owned();
    text.push_str(&screen::indented(&parts.header));
    text.push_str(&screen.heading("claims"));
    text.push_str(&screen::indented(&parts.claims));
    for (name, word) in [("nbf", "valid from"), ("iat", "issued"), ("exp", "ends")] {
        if let Some(time) = parts.claims.get(name).and_then(Value::as_u64).map(UnixTime::from_secs) {
            let line = format!("  {word:<10} {} ({})\n", moment(time), from_now(time, now));
            text.push_str(&screen.faint(&line));
        }
    }
    text.push_str(&screen.heading("verdict"));
    text.push_str(
        &screen.item(Mark::Note, &format!("signature of {} bytes, not shown", parts.signature_bytes)),
    );
    text.push_str(&match verdict {
        Verdict::NotVerified => screen.item(
            Mark::Warning,
            "not verified: give `--config`, or `--keys` with `--issuer` and `--audience`",
        ),
        Verdict::Valid(audience, seen) => {
            let mut text = screen.item(Mark::Fine, &format!("valid for `{audience}`"));
            text.push_str(&match seen {
                Seen::Good => screen.item(Mark::Fine, "nothing that concerns it is revoked"),
                Seen::Nobody => screen.item(Mark::Note, "whether it is revoked is not looked at"),
                Seen::Unseen(why) => {
                    screen.item(Mark::Note, &format!("whether it is revoked is not looked at: {why}"))
                }
            });
            text
        }
        Verdict::Revoked(what) => {
            let code = TokenRefusal::TokenRevoked.code();
            screen.item(Mark::Fault, &format!("{code}: {what}"))
        }
        Verdict::Refused(refusal) => screen.item(Mark::Fault, &why(*refusal, parts)),
        Verdict::NoKeys(problem) => screen.item(Mark::Fault, &format!("not verified: {problem}")),
    });
    text
}

/// The code, what it means, and of an unknown key its name.
fn why(refusal: TokenRefusal, parts: &Parts) -> String {
    let code = refusal.code();
    match (refusal, parts.header.get("kid").and_then(Value::as_str)) {
        (TokenRefusal::KeyUnknown, Some(kid)) => {
            format!("{code}: key {kid} is not in the key set (retired, or of another issuer)")
        }
        _ => format!("{code}: {}", refusal.text()),
    }
}

fn as_json(parts: &Parts, verdict: &Verdict) -> Value {
    let verdict = match verdict {
        Verdict::NotVerified => json!({ "verified": false }),
        Verdict::Valid(audience, seen) => {
            let revoked = matches!(seen, Seen::Good).then_some(false);
            json!({ "verified": true, "audience": audience, "revoked": revoked })
        }
        Verdict::Revoked(what) => {
            let code = TokenRefusal::TokenRevoked.code();
            json!({ "verified": false, "refusal": code, "revoked": true, "problem": what })
        }
        Verdict::Refused(refusal) => json!({ "verified": false, "refusal": refusal.code() }),
        Verdict::NoKeys(problem) => json!({ "verified": false, "problem": problem }),
    };
    json!({
        "header": parts.header,
        "claims": parts.claims,
        "signature_bytes": parts.signature_bytes,
        "verdict": verdict,
    })
}
