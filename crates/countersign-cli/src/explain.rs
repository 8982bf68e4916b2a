//! `countersign explain`: which stage decides what about one request, and why.

use std::{io::Read as _, sync::Arc};

use countersign::Secret;
use countersign_gateway::{
    clock::SystemClock,
    config::Config,
    credential::{CredentialKind, OwnedCredential},
    entropy::SystemEntropy,
    gateway::rehearse,
    http::Parts,
    translate::explain::{End, Explained, TokenSent},
};
use http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use serde_json::{Value, json};

use crate::{
    arguments::ExplainArguments,
    check::live,
    configuration,
    exit::Exit,
    fetch,
    screen::{self, Mark, Screen, wrapped},
};

/// `countersign explain`.
pub(crate) fn run(arguments: &ExplainArguments, screen: &Screen) -> Exit {
    let config = match configuration::load(&arguments.file.config, screen) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let parts = match request(arguments, &config) {
        Ok(parts) => parts,
        Err(problem) => return complain(&problem, Exit::Usage),
    };
    let rehearsal = rehearse(&config, Arc::new(SystemClock::start()), Arc::new(SystemEntropy));
    let rehearsal = match rehearsal {
        Ok(rehearsal) => rehearsal,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    let explained = match fetch::wait(rehearsal.explain(&parts)) {
        Ok(explained) => explained,
        Err(error) => return complain(&error.to_string(), Exit::Failed),
    };
    if arguments.json {
        screen::print_json(&as_json(&explained));
    } else {
        screen::print(&as_text(*screen, &parts, &explained));
    }
    if matches!(explained.end, End::Refused(_)) { Exit::Failed } else { Exit::Good }
}

fn complain(problem: &str, exit: Exit) -> Exit {
    screen::complain(&format!("countersign explain: {problem}\n"));
    exit
}

/// The head of the request, as HTTP/1.1 brings it.
fn request(arguments: &ExplainArguments, config: &Config) -> Result<Parts, String> {
    let (host, target) = target(&arguments.url, config)?;
    let method = Method::from_bytes(arguments.method.as_bytes())
        .map_err(|_| format!("`{}` is no method", arguments.method))?;
    let uri: Uri = target.parse().map_err(|_| format!("`{target}` is no request target"))?;
    let mut request = Request::builder().method(method).uri(uri);
    let mut has_host = false;
    for line in &arguments.headers {
        let (name, value) = parse_header(line)?;
        has_host |= name == header::HOST;
        request = request.header(name, value);
    }
    if !has_host {
        request = request.header(header::HOST, host);
    }
    if let Some(credential) = credential(arguments, config)? {
        let value = credential.value.expose();
        request = match (credential.kind, &config.session.cookie) {
            (CredentialKind::Cookie, Some(name)) => request.header(header::COOKIE, format!("{name}={value}")),
            _ => request.header(header::AUTHORIZATION, format!("Bearer {value}")),
        };
    }
    let request = request.body(()).map_err(|_| "this cannot be a request".to_owned())?;
    Ok(request.into_parts().0.into())
}

/// Host and request target; of a path alone the host is the issuer's.
fn target(url: &str, config: &Config) -> Result<(String, String), String> {
    let absolute = if url.starts_with('/') { format!("{}{url}", config.issuer) } else { url.to_owned() };
    let rest = absolute
        .strip_prefix("https://")
        .or_else(|| absolute.strip_prefix("http://"))
        .ok_or_else(|| format!("`{url}` is no http or https URL and no path"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (host, target) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
    Ok((host.to_owned(), target))
}

fn parse_header(line: &str) -> Result<(HeaderName, HeaderValue), String> {
    // What stands behind the colon can be a credential and is not repeated.
    let (name, value) = line.split_once(':').ok_or("a `--header` is `Name: value`")?;
    let name =
        HeaderName::from_bytes(name.trim().as_bytes()).map_err(|_| format!("`{name}` is no header name"))?;
    let value = HeaderValue::from_str(value.trim()).map_err(|_| format!("the value of `{name}` is none"))?;
    Ok((name, value))
}

fn credential(arguments: &ExplainArguments, config: &Config) -> Result<Option<OwnedCredential>, String> {
    if let (Some(file), true) = (&arguments.credential.token_file, config.guard.is_some()) {
        return live::token(file).map(Some);
    }
    if !arguments.cookie_stdin {
        return live::credential(&arguments.credential, config);
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(64 * 1024).read_to_string(&mut text);
    let text = Secret::new(text);
    read.map_err(|error| format!("standard input cannot be read ({})", error.kind()))?;
    live::of_text(CredentialKind::Cookie, text.expose(), "standard input", config).map(Some)
}

fn as_text(screen: Screen, parts: &Parts, explained: &Explained) -> String {
    let host =
        parts.fields.first(b"host").and_then(|host| std::str::from_utf8(host).ok()).unwrap_or_default();
    let mut text = screen.heading(&format!("{} {host}{}", parts.method, parts.uri)).trim_start().to_owned();
    for step in &explained.steps {
        let mark = match (step.refusal, step.is_unseen) {
            (Some(_), _) => Mark::Fault,
            (None, true) => Mark::Note,
            (None, false) => Mark::Fine,
        };
        let says = wrapped(&step.says, 88).replace('\n', "\n            ");
        text.push_str(&screen.item(mark, &format!("{:<10}  {says}", step.stage)));
    }
    text.push('\n');
    match &explained.end {
        End::Answered(status) => {
            let verdict = format!("answered by the gateway itself: {}", status.as_u16());
            text.push_str(&format!("{}\n", screen.verdict(true, &verdict)));
        }
        End::Forwarded(token) => {
            text.push_str(&screen.verdict(true, "forwarded, with a token that says"));
            text.push('\n');
            text.push_str(&screen::indented(&json!(token.claims)));
        }
        End::Guarded(sent) => {
            let verdict = match sent {
                TokenSent::AsItCame => "forwarded, with its token as it came",
                TokenSent::KeptBack => "forwarded, without its token",
            };
            text.push_str(&screen.verdict(true, verdict));
            text.push('\n');
        }
        End::Passed => {
            text.push_str(&screen.verdict(true, "passed on, without a token"));
            text.push('\n');
        }
        End::Refused(refusal) => {
            let row = refusal.row();
            let verdict = format!("refused: {} {}", row.status.as_u16(), row.code);
            text.push_str(&format!("{}\n", screen.verdict(false, &verdict)));
        }
    }
    text
}

fn as_json(explained: &Explained) -> Value {
    let steps: Vec<Value> = explained
        .steps
        .iter()
        .map(|step| json!({ "stage": step.stage, "says": step.says, "refusal": step.refusal.map(|refusal| refusal.code()), "unseen": step.is_unseen }))
        .collect();
    let end = match &explained.end {
        End::Answered(status) => json!({ "end": "answered", "status": status.as_u16() }),
        End::Forwarded(token) => {
            json!({ "end": "forwarded", "claims": token.claims, "bytes": token.bytes, "budget": token.budget })
        }
        End::Guarded(sent) => json!({ "end": "guarded", "token_sent": *sent == TokenSent::AsItCame }),
        End::Passed => json!({ "end": "passed" }),
        End::Refused(refusal) => {
            json!({ "end": "refused", "code": refusal.code(), "status": refusal.row().status.as_u16() })
        }
    };
    json!({ "steps": steps, "end": end })
}
