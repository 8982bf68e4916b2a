//! `POST /revoke` of the control socket.

use axum::{Json, extract::State};
use bytes::Bytes;
use countersign::revocation::Target;
use http::StatusCode;
use serde::{Deserialize, Serialize};

use super::{Admin, RevokeAct, RevokeCommand};

/// What is sent: exactly one target.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Command {
    session: Option<String>,
    subject: Option<String>,
    organisation: Option<String>,
    token: Option<String>,
    all: bool,
    lift: bool,
    dry_run: bool,
}

/// What is answered.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(skip_serializing_if = "Option::is_none")]
    sessions: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unproven: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    was_revoked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Answer {
    fn error(problem: impl Into<String>) -> Json<Self> {
        let error = Some(problem.into());
        Json(Self { sessions: None, unproven: None, was_revoked: None, cursor: None, error })
    }
}

pub(super) async fn revoke(State(admin): State<Admin>, body: Bytes) -> (StatusCode, Json<Answer>) {
    let command = match serde_json::from_slice::<Command>(&body) {
        Ok(command) => understood(command),
        Err(error) => Err(error.to_string()),
    };
    let command = match command {
        Ok(command) => command,
        Err(problem) => return (StatusCode::BAD_REQUEST, Answer::error(problem)),
    };
    match admin.0.control.revoke(command).await {
        Ok(report) => {
            let answer = Answer {
                sessions: Some(report.sessions),
                unproven: Some(report.unproven),
                was_revoked: Some(report.was_revoked),
                cursor: report.cursor.map(|cursor| cursor.to_string()),
                error: None,
            };
            (StatusCode::OK, Json(answer))
        }
        Err(fault) => (StatusCode::SERVICE_UNAVAILABLE, Answer::error(fault.to_string())),
    }
}

fn understood(command: Command) -> Result<RevokeCommand, String> {
    let Command { session, subject, organisation, token, all, lift, dry_run } = command;
    let named =
        [("session", session), ("subject", subject), ("organisation", organisation), ("token", token)];
    let all = ("all", all.then(|| "*".to_owned()));
    let mut given = named.into_iter().chain([all]).filter_map(|(kind, id)| Some((kind, id?)));
    let (Some((kind, id)), None) = (given.next(), given.next()) else {
        return Err(
            "exactly one of `session`, `subject`, `organisation`, `token` and `all` is needed".to_owned()
        );
    };
    let target =
        Target::from_parts(kind, &id).ok_or_else(|| format!("this cannot be the name of a {kind}"))?;
    let act = match (dry_run, lift) {
        (true, _) => RevokeAct::Count,
        (false, true) => RevokeAct::Lift,
        (false, false) => RevokeAct::Revoke,
    };
    Ok(RevokeCommand { target, act })
}
