//! The secret of our client at another server: from a file or from a variable.

use countersign::Secret;

use crate::config::{
    error::ConfigErrorCode,
    reader::{Fault, Field, Reader, Section},
};

/// `client_secret_file` and `client_secret_env` of a section.
pub(super) struct ClientSecret {
    pub(super) file: Field<Secret<Vec<u8>>>,
    pub(super) variable: Field<Secret<Vec<u8>>>,
}

impl ClientSecret {
    pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Self {
        let file = match reader.secret_file(section, "client_secret_file") {
            Field::Given((_, secret)) => Field::Given(secret),
            Field::Absent => Field::Absent,
            Field::Bad => Field::Bad,
        };
        Self { file, variable: reader.secret_variable(section, "client_secret_env") }
    }

    /// The one secret and the key that named it; both and neither are faults.
    pub(super) fn one<'a>(
        self,
        reader: &mut Reader<'a>,
        section: &Section<'a>,
    ) -> Option<(&'static str, Secret<Vec<u8>>)> {
        let Self { file, variable } = self;
        if !file.is_absent() && !variable.is_absent() {
            let problem = "excludes `client_secret_file`: the secret comes from one place";
            reader.fault(section, "client_secret_env", Fault::new(ConfigErrorCode::Conflict, problem));
            return None;
        }
        if file.is_absent() && variable.is_absent() {
            let problem = "is missing: name a file here, or a variable with `client_secret_env`";
            reader.fault(section, "client_secret_file", Fault::new(ConfigErrorCode::Missing, problem));
            return None;
        }
        if file.is_absent() {
            variable.given().map(|secret| ("client_secret_env", secret))
        } else {
            file.given().map(|secret| ("client_secret_file", secret))
        }
    }
}

/// Records a fault where the secret is no private key as our keys are written.
pub(super) fn private_key<'a>(
    reader: &mut Reader<'a>,
    section: &Section<'a>,
    name: &str,
    secret: &Secret<String>,
) {
    if !secret.expose().contains("-----BEGIN PRIVATE KEY-----") {
        let problem = "names a secret that is not a private key in PKCS#8 PEM (`BEGIN PRIVATE KEY`)";
        reader.fault(section, name, Fault::new(ConfigErrorCode::InvalidValue, problem));
    }
}
