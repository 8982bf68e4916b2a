//! How long a revoked token lives: it is revoked in the way that `audit.toml` names, and every operation is asked until it
//! refuses.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    process::Command,
    time::{Instant, sleep, timeout},
};

use super::{
    engine::{Engine, User},
    findings_of,
};
use crate::{
    LogOut, Operation, Report,
    client::{Answer, Sent},
    document::Access,
    plan::{Credential, Which},
    tokens::{Bearer, Make},
};

/// Between two requests.
const STEP: Duration = Duration::from_millis(20);
/// Longest wait for a command.
const COMMAND: Duration = Duration::from_secs(10);
/// The session that is ended; no other token of the audit is of it.
const SESSION: &str = "countersign-audit-log-out";

/// Who is logged out.
struct Victim {
    subject: String,
    user: Option<User>,
}

pub(super) async fn measure(engine: &Engine, report: &mut Report) {
    let settings = &engine.options.settings.logout;
    let way =
        !settings.command.is_empty() || settings.url.is_some() || engine.options.control_socket.is_some();
    if !way {
        return;
    }
    let victim = match engine.users.last() {
        Some(user) => Victim {
            subject: user.subject.clone().unwrap_or_else(|| user.name.clone()),
            user: Some(user.clone()),
        },
        None => Victim { subject: "countersign-audit-log-out".to_owned(), user: None },
    };
    let operations = operations(engine);
    let mut alive = Vec::new();
    for operation in operations {
        let Some(request) = engine.request_of(&operation, &victim) else { continue };
        match engine.client.send(&request).await {
            Ok(answer) if !refuses(&answer) => alive.push((operation, request)),
            _ => report.notes.push(format!(
                "log-out was not measured at {}: the token was not accepted before",
                operation.name()
            )),
        }
    }
    if alive.is_empty() {
        return;
    }
    let began = started();
    if let Err(problem) = revoke(engine, &victim).await {
        report.notes.push(format!("log-out was not measured: {problem}"));
        return;
    }
    let give_up = Duration::from_secs_f64(settings.give_up.unwrap_or(30.0).clamp(0.1, 600.0));
    let mut waiting: Vec<(Operation, Sent)> = alive;
    let mut ended: Vec<(Operation, Option<u64>)> = Vec::new();
    while !waiting.is_empty() && began.elapsed() < give_up {
        let mut still = Vec::new();
        for (operation, request) in waiting {
            match engine.client.send(&request).await {
                Ok(answer) if refuses(&answer) => {
                    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
                    ended.push((operation, Some(took)));
                }
                _ => still.push((operation, request)),
            }
        }
        waiting = still;
        sleep(STEP).await;
    }
    ended.extend(waiting.into_iter().map(|(operation, _)| (operation, None)));
    let within = settings.within.unwrap_or(1.0) * 1000.0;
    for (operation, milliseconds) in ended {
        let found = match milliseconds {
            None => Some(("logout-not-effective", format!("still accepted after {} s", give_up.as_secs()))),
            #[expect(clippy::cast_precision_loss, reason = "milliseconds of at most ten minutes")]
            Some(took) if took as f64 > within => Some((
                "logout-slow",
                format!("refused {took} ms after the revocation; {within} ms are allowed"),
            )),
            Some(_) => None,
        };
        report.findings.extend(found.and_then(|(id, reason)| {
            findings_of(id, &operation.method, &operation.path, operation.line, reason, "log-out")
        }));
        report.log_out.push(LogOut { operation: operation.name(), milliseconds });
    }
}

fn started() -> Instant {
    Instant::now()
}

const fn refuses(answer: &Answer) -> bool {
    answer.status == 401
}

fn operations(engine: &Engine) -> Vec<Operation> {
    let ground = engine.ground();
    let named = &engine.options.settings.logout.operations;
    let mut operations: Vec<Operation> =
        named.iter().filter_map(|name| ground.named(name)).cloned().collect();
    if operations.is_empty() {
        let first = engine.options.document.operations.iter().find(|operation| {
            operation.method == "GET"
                && operation.path_parameters().next().is_none()
                && ground.access(operation) != Access::Public
        });
        operations.extend(first.cloned());
    }
    operations
}

async fn revoke(engine: &Engine, victim: &Victim) -> Result<(), String> {
    let settings = &engine.options.settings.logout;
    let organisation = engine.ground().organisation_id(Which::A);
    let filled = |text: &str| {
        text.replace("{subject}", &victim.subject)
            .replace("{session}", SESSION)
            .replace("{organisation}", &organisation)
    };
    if let Some((program, arguments)) = settings.command.split_first() {
        let mut command = Command::new(filled(program));
        command.args(arguments.iter().map(|argument| filled(argument))).kill_on_drop(true);
        let status =
            timeout(COMMAND, command.status()).await.map_err(|_| "the command takes too long".to_owned())?;
        let status = status.map_err(|error| format!("the command cannot be run: {error}"))?;
        return if status.success() { Ok(()) } else { Err(format!("the command ends with {status}")) };
    }
    if let Some(url) = &settings.url {
        let uri = filled(url).parse().map_err(|_| "[logout] url is no URL".to_owned())?;
        super::engine::allowed_uri(&uri, &engine.options.own_hosts).map_err(|error| error.to_string())?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        let request = Sent { method: Method::POST, uri, headers, body: Bytes::new() };
        let answer = engine.client.send(&request).await.map_err(|error| error.to_string())?;
        return if answer.is_success() { Ok(()) } else { Err(format!("the URL answers {}", answer.status)) };
    }
    let Some(socket) = &engine.options.control_socket else {
        return Err("there is no way to revoke".to_owned());
    };
    let body = serde_json::json!({ "subject": victim.subject }).to_string();
    let ask = async {
        let mut stream = UnixStream::connect(socket).await?;
        let request = format!(
            "POST /revoke HTTP/1.1\r\nhost: control\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = vec![0; 64];
        let read = stream.read(&mut answer).await?;
        answer.truncate(read);
        std::io::Result::Ok(answer)
    };
    let answer = timeout(COMMAND, ask).await.map_err(|_| "the control socket does not answer".to_owned())?;
    let answer = answer.map_err(|error| format!("the control socket cannot be used: {error}"))?;
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).unwrap_or_default().to_owned();
    if status.starts_with('2') { Ok(()) } else { Err(format!("the control socket answers {status}")) }
}

impl Engine {
    /// The good request of the one who will be logged out.
    fn request_of(&self, operation: &Operation, victim: &Victim) -> Option<Sent> {
        let ground = self.ground();
        let caller = ground.allowed(operation, Which::A);
        let mut request =
            self.resolve(&ground.call(operation, caller.clone(), Credential::Absent), None).ok()?;
        let (name, value) = match &victim.user {
            Some(user) => {
                let cookie = self.options.settings.gateway.cookie.as_deref().unwrap_or("SESSION");
                (header::COOKIE, format!("{cookie}={}", user.cookie.expose()))
            }
            None => {
                let bearer = Bearer {
                    subject: victim.subject.clone(),
                    session: SESSION.to_owned(),
                    ..ground.bearer(&caller)
                };
                let token = self.mint.token(&bearer, self.key, Make::Good, self.options.clock.now());
                (header::AUTHORIZATION, format!("Bearer {token}"))
            }
        };
        request.headers.insert(name, HeaderValue::from_str(&value).ok()?);
        Some(request)
    }
}
