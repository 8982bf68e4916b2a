//! Django: an old application that only understands its own session cookie.

use std::{path::PathBuf, sync::OnceLock};

use super::python;
use crate::{
    client::{Answer, Call},
    process::Process,
};

/// The application's session cookie.
pub(crate) const COOKIE: &str = "sessionid";

/// A running application.
#[derive(Debug)]
pub(crate) struct SessionApplication {
    process: Process,
}

impl SessionApplication {
    /// The one for all tests.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<SessionApplication> = OnceLock::new();
        SHARED.get_or_init(|| {
            // the database is made anew at each start, in a folder that outlives this process by nothing of value
            let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("session_application");
            drop(std::fs::remove_dir_all(&folder));
            std::fs::create_dir_all(&folder).unwrap();
            let mut command = python("session_application.py");
            command.arg(folder);
            Self { process: Process::start(command) }
        })
    }

    /// Where it is, with a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.process.listening())
    }

    /// Logs a user in and returns the session's key.
    pub(crate) async fn log_in(&self, user: &str) -> String {
        let form = format!("username={user}&password=password-of-{user}");
        let answer = Call::post_form(self.url("/login"), &form).send().await.expect(200);
        session_of(&answer)
    }

    /// Ends a session.
    pub(crate) async fn log_out(&self, session: &str) {
        let call = Call::post_form(self.url("/logout"), "").header("cookie", format!("{COOKIE}={session}"));
        call.send().await.expect(200);
    }
}

/// The session's key in `Set-Cookie`.
fn session_of(answer: &Answer) -> String {
    let cookie = answer.header("set-cookie").unwrap().trim();
    let value = cookie.strip_prefix(&format!("{COOKIE}=")).unwrap();
    value.split(';').next().unwrap().to_owned()
}
