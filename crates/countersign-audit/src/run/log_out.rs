//! How long a revoked token lives: it is revoked in the way that `audit.toml` names, and every service is asked until it
//! refuses.
//!
//! 1. Each service is first asked with the token: where it is not accepted then, nothing is measured.
//! 2. The clock starts when the revocation is asked for. All services are asked at the same time, every 20 ms.
//! 3. A service refuses when it has answered 401 five times in a row, so that one replica does not speak for the others;
//!    the first of these counts.
//! 4. A service that still accepts after `give_up` is told as such, one that does not answer is not.

mod revoke;
mod token;

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use self::{revoke::revoke, token::Victim};
use super::{engine::Engine, findings_of};
use crate::{
    LogOut, Report,
    client::{Answer, Client, Sent},
};

/// Between two requests to one service.
const STEP: Duration = Duration::from_millis(20);
/// Refusals in a row.
const STEADY: usize = 5;
/// Longest time after the revocation, in seconds, unless told otherwise.
const GIVE_UP: f64 = 30.0;
/// What is allowed, in seconds, unless told otherwise.
const WITHIN: f64 = 1.0;

/// One place that is asked until it refuses.
#[derive(Debug)]
struct Watched {
    name: String,
    path: String,
    line: usize,
    request: Sent,
}

pub(super) async fn measure(engine: &Engine, report: &mut Report) {
    let settings = &engine.options.settings.logout;
    let is_told = !settings.command.is_empty() || settings.url.is_some();
    if !is_told && engine.options.control_socket.is_none() {
        if !settings.services.is_empty() || !settings.operations.is_empty() {
            report.notes.push(
                "log-out was not measured: nothing says how to revoke (`command` or `url` in [logout], or --control-socket)"
                    .to_owned(),
            );
        }
        return;
    }
    let victim = Victim::of(engine).await;
    let alive = accepted_before(engine, &victim, report).await;
    if alive.is_empty() {
        return;
    }
    let within = Duration::from_secs_f64(settings.within.unwrap_or(WITHIN).clamp(0.001, 600.0));
    let give_up = Duration::from_secs_f64(settings.give_up.unwrap_or(GIVE_UP).clamp(0.1, 600.0)).max(within);
    let began = started();
    let mut asked = JoinSet::new();
    for (place, watched) in alive.iter().enumerate() {
        let (client, request) = (Arc::clone(&engine.client), watched.request.clone());
        asked.spawn(async move { (place, until_refused(&client, &request, began, give_up).await) });
    }
    if let Err(problem) = revoke(engine, &victim).await {
        report.notes.push(format!("log-out was not measured: {problem}"));
        return;
    }
    let mut ended: Vec<(usize, Result<Option<Duration>, String>)> = Vec::new();
    while let Some(done) = asked.join_next().await {
        ended.extend(done);
    }
    ended.sort_by_key(|(place, _)| *place);
    for (watched, (_, took)) in alive.into_iter().zip(ended) {
        match took {
            Ok(took) => tell(report, watched, took, within, give_up),
            Err(problem) => {
                report.notes.push(format!("log-out was not measured at {}: {problem}", watched.name));
            }
        }
    }
}

/// The services at which the token is accepted now.
async fn accepted_before(engine: &Engine, victim: &Victim, report: &mut Report) -> Vec<Watched> {
    let mut alive = Vec::new();
    for (name, watched) in token::watched(engine, victim).await {
        let problem = match watched {
            Err(problem) => problem,
            Ok(watched) => match engine.client.send(&watched.request).await {
                Ok(answer) if answer.is_success() => {
                    alive.push(watched);
                    continue;
                }
                Ok(answer) => format!("the token was not accepted before ({})", answer.status),
                Err(reason) => reason.to_string(),
            },
        };
        report.notes.push(format!("log-out was not measured at {name}: {problem}"));
    }
    alive
}

/// When it began to refuse, counted from then; none if it still accepts; an error if it cannot be said.
async fn until_refused(
    client: &Client,
    request: &Sent,
    began: Instant,
    give_up: Duration,
) -> Result<Option<Duration>, String> {
    let (mut since, mut times, mut problem) = (None, 0_usize, None);
    while began.elapsed() < give_up {
        match client.send(request).await {
            Ok(answer) if refuses(&answer) => {
                let first = *since.get_or_insert_with(|| began.elapsed());
                times += 1;
                if times == STEADY {
                    return Ok(Some(first));
                }
            }
            Ok(_) => (since, times, problem) = (None, 0, None),
            Err(reason) => problem = Some(reason.to_string()),
        }
        sleep(STEP).await;
    }
    problem.map_or(Ok(None), Err)
}

fn tell(report: &mut Report, watched: Watched, took: Option<Duration>, within: Duration, give_up: Duration) {
    let milliseconds = took.map(whole);
    let found = match took {
        None => Some(("logout-not-effective", format!("never refused within {} s", give_up.as_secs_f64()))),
        Some(took) if took > within => Some((
            "logout-slow",
            format!("refused {} ms after the revocation; {} ms are allowed", whole(took), whole(within)),
        )),
        Some(_) => None,
    };
    report.findings.extend(found.and_then(|(id, reason)| {
        findings_of(id, watched.request.method.as_str(), &watched.path, watched.line, reason, "log-out")
    }));
    report.log_out.push(LogOut {
        service: watched.name,
        url: watched.request.uri.to_string(),
        milliseconds,
        within: whole(within),
        asked: whole(give_up),
    });
}

fn whole(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn started() -> Instant {
    Instant::now()
}

const fn refuses(answer: &Answer) -> bool {
    answer.status == 401
}
