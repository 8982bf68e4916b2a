//! jose in Node.js and PyJWT in Python: services in other languages, which verify from the published key set.

use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};

use super::{node, python};
use crate::process::Process;

/// A verifier in another language.
#[derive(Debug)]
pub(crate) struct Verifier {
    /// Its name.
    pub(crate) name: &'static str,
    process: Mutex<Process>,
}

impl Verifier {
    /// Both, started once.
    pub(crate) fn all() -> &'static [Self; 2] {
        static SHARED: OnceLock<[Verifier; 2]> = OnceLock::new();
        SHARED.get_or_init(|| {
            let verifier = |name, command| Self { name, process: Mutex::new(Process::start(command)) };
            [verifier("jose", node("verify_jose.mjs")), verifier("PyJWT", python("verify_pyjwt.py"))]
        })
    }

    /// Asks for a token's claims: `{"claims", "header"}` or `{"refused"}`.
    pub(crate) fn verify(&self, token: &str, keys: &str, issuer: &str, audience: &str) -> Value {
        self.ask(&json!({ "token": token, "keys": keys, "issuer": issuer, "audience": audience }))
    }

    /// Asks any question: see the programs.
    pub(crate) fn ask(&self, question: &Value) -> Value {
        self.process.lock().unwrap().ask(question)
    }
}
