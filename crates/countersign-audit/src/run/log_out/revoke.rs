//! Revokes what the measured tokens belong to, in one of three ways.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::Command,
    time::timeout,
};

use super::token::Victim;
use crate::{
    client::Sent,
    plan::Which,
    run::engine::{Engine, allowed_uri},
};

/// Longest wait for a command or the control socket.
const PATIENCE: Duration = Duration::from_secs(10);
/// Most of the control socket's answer that is read.
const MAX_ANSWER: u64 = 16 << 10;

pub(super) async fn revoke(engine: &Engine, victim: &Victim) -> Result<(), String> {
    let settings = &engine.options.settings.logout;
    let organisation = engine.ground().organisation_id(Which::A);
    let mut told = settings.command.iter().chain(&settings.url);
    if victim.session.is_none() && told.any(|text| text.contains("{session}")) {
        return Err("`{session}` has no value: the token names no session (`sid`)".to_owned());
    }
    let filled = |text: &str| {
        text.replace("{subject}", &victim.subject)
            .replace("{session}", victim.session.as_deref().unwrap_or_default())
            .replace("{organisation}", &organisation)
    };
    if let Some((program, arguments)) = settings.command.split_first() {
        let mut command = Command::new(filled(program));
        command.args(arguments.iter().map(|argument| filled(argument))).kill_on_drop(true);
        // A command that talks would talk between the lines of the report.
        command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        let status =
            timeout(PATIENCE, command.status()).await.map_err(|_| "the command takes too long".to_owned())?;
        let status = status.map_err(|error| format!("the command cannot be run: {error}"))?;
        return if status.success() { Ok(()) } else { Err(format!("the command ends with {status}")) };
    }
    if let Some(url) = &settings.url {
        let uri = filled(url).parse().map_err(|_| "[logout] url is no URL".to_owned())?;
        allowed_uri(&uri, &engine.options.own_hosts).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let request = Sent { method: Method::POST, uri, headers, body: Bytes::new() };
        let answer = engine.client.send(&request).await.map_err(|error| error.to_string())?;
        return if answer.is_success() { Ok(()) } else { Err(format!("the URL answers {}", answer.status)) };
    }
    let Some(socket) = &engine.options.control_socket else {
        return Err("there is no way to revoke".to_owned());
    };
    // One session, if its name is known: others of the same person stay.
    let body = match (&victim.session, victim.is_known) {
        (Some(session), _) => json!({ "session": session }),
        (None, true) => json!({ "subject": victim.subject }),
        (None, false) => {
            let problem = "the gateway does not tell whose session it is: give the `origin` of its pages in [gateway], or \
                           the user's `subject`";
            return Err(problem.to_owned());
        }
    };
    let answer = timeout(PATIENCE, ask(socket, &body)).await;
    let answer = answer.map_err(|_| "the control socket does not answer".to_owned())?;
    let (status, answer) = answer.map_err(|error| format!("the control socket cannot be used: {error}"))?;
    match (status.starts_with('2'), answer.get("cursor").and_then(Value::as_str)) {
        (true, Some(_)) => Ok(()),
        (true, None) => Err("the gateway revoked nothing".to_owned()),
        (false, _) => {
            let reason = answer.get("error").and_then(Value::as_str).unwrap_or("no reason is given");
            Err(format!("the control socket answers {status}: {reason}"))
        }
    }
}

/// Status and body of `POST /revoke`.
async fn ask(socket: &Path, body: &Value) -> std::io::Result<(String, Value)> {
    let mut stream = UnixStream::connect(socket).await?;
    let body = body.to_string();
    let request = format!(
        "POST /revoke HTTP/1.1\r\nhost: control\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let status = text.split(' ').nth(1).unwrap_or_default().to_owned();
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
