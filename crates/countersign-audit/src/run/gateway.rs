//! What is asked of a gateway in front of the service: what it lets through, and what stands beside it.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{engine::Engine, findings_of};
use crate::{
    Report,
    client::Sent,
    document::Access,
    judge::holds,
    plan::{Credential, IDENTITY_FIELDS, Placement, Which},
};

/// The value of every header that is planted.
const PLANTED: &str = "countersign-audit-planted";

impl Engine {
    /// What must not be in a report.
    pub(crate) fn cookies(&self) -> Vec<String> {
        self.users.iter().map(|user| user.cookie.expose().clone()).collect()
    }
}

pub(super) async fn audit(engine: &Engine, report: &mut Report) {
    echo(engine, report).await;
    garbage(engine, report).await;
    for base in &engine.options.settings.gateway.direct {
        past(engine, base, report).await;
    }
}

/// The echo shows what reaches the service: no cookie, and none of the fields that were planted.
async fn echo(engine: &Engine, report: &mut Report) {
    let Some(name) = &engine.options.settings.gateway.echo else { return };
    let (mut request, operation) = {
        let ground = engine.ground();
        let Some(operation) = ground.named(name) else { return };
        let call =
            ground.call(operation, ground.allowed(operation, Which::A), Credential::Good(Placement::Bearer));
        match engine.resolve(&call, None) {
            Ok(request) => (request, operation.clone()),
            Err(reason) => {
                report.notes.push(format!("the echo was not asked: {reason}"));
                return;
            }
        }
    };
    for field in IDENTITY_FIELDS {
        if let Ok(field) = HeaderName::from_bytes(field.as_bytes()) {
            request.headers.insert(field, HeaderValue::from_static(PLANTED));
        }
    }
    let answer = match engine.client.send(&request).await {
        Ok(answer) if answer.is_success() => answer,
        Ok(answer) => {
            report.notes.push(format!("the echo answers {}", answer.status));
            return;
        }
        Err(reason) => {
            report.notes.push(format!("the echo does not answer: {reason}"));
            return;
        }
    };
    let body = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let found = |id, reason: String| {
        findings_of(id, &operation.method, &operation.path, operation.line, reason, "gateway/echo")
    };
    if holds(&answer.body, &engine.cookies()) || body.contains("\"cookie\"") {
        report.findings.extend(found("cookie-reaches-service", "the echo shows the cookie".to_owned()));
    }
    let through: Vec<&str> =
        IDENTITY_FIELDS.iter().copied().filter(|field| body.contains(&format!("\"{field}\""))).collect();
    if !through.is_empty() || body.contains(PLANTED) {
        let reason = format!("fields of the client reach the service: {}", through.join(", "));
        report.findings.extend(found("identity-header-trusted", reason));
    }
}

/// Cookies that are no session.
async fn garbage(engine: &Engine, report: &mut Report) {
    if !engine.is_gateway() {
        return;
    }
    let (operation, template) = {
        let ground = engine.ground();
        let first = engine.options.document.operations.iter().find(|operation| {
            operation.method == "GET"
                && operation.path_parameters().next().is_none()
                && ground.access(operation) != Access::Public
        });
        let Some(operation) = first else { return };
        let call = ground.call(operation, ground.allowed(operation, Which::A), Credential::Absent);
        let Ok(template) = engine.resolve(&call, None) else { return };
        (operation.clone(), template)
    };
    let name = super::users::cookie_name(&engine.options);
    for value in ["", "countersign-audit", "null", "' OR '1'='1", "../../etc/passwd", "*", "0"] {
        let mut request = template.clone();
        let Ok(cookie) = HeaderValue::from_str(&format!("{name}={value}")) else { continue };
        request.headers.insert(header::COOKIE, cookie);
        if engine.client.send(&request).await.is_ok_and(|answer| answer.is_success()) {
            let reason = format!("the cookie `{value}` gets in");
            report.findings.extend(findings_of(
                "session-garbage-accepted",
                &operation.method,
                &operation.path,
                operation.line,
                reason,
                "gateway/garbage",
            ));
            return;
        }
    }
}

/// A service must not answer those who go past the gateway, whatever they claim to be.
async fn past(engine: &Engine, base: &str, report: &mut Report) {
    let ground_calls: Vec<_> = {
        let ground = engine.ground();
        let operations = engine.options.document.operations.iter().filter(|operation| {
            operation.method == "GET"
                && operation.path_parameters().next().is_none()
                && ground.access(operation) != Access::Public
        });
        operations.cloned().collect()
    };
    for operation in ground_calls {
        let Ok(uri) = format!("{}{}", base.trim_end_matches('/'), operation.path).parse() else { continue };
        let mut headers = HeaderMap::new();
        for field in IDENTITY_FIELDS {
            if let Ok(field) = HeaderName::from_bytes(field.as_bytes()) {
                headers.insert(field, HeaderValue::from_static("ada"));
            }
        }
        for headers in [HeaderMap::new(), headers] {
            let spoofed = !headers.is_empty();
            let request =
                Sent { method: Method::GET, uri: http::Uri::clone(&uri), headers, body: Bytes::new() };
            if engine.client.send(&request).await.is_ok_and(|answer| answer.is_success()) {
                let how = if spoofed { "with identity headers and no token" } else { "without a token" };
                let reason = format!("{base} answers {how}");
                report.findings.extend(findings_of(
                    "service-reachable-past-gateway",
                    &operation.method,
                    &operation.path,
                    operation.line,
                    reason,
                    "gateway/direct",
                ));
                break;
            }
        }
    }
}
