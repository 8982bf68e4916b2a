//! How the gateway proves who it is at the authorization server.

use countersign::ClientId;

use crate::config::{
    error::ConfigErrorCode,
    read::client_secret::{ClientSecret, private_key},
    reader::{Fault, Field, Reader, Section},
    resolved::ClientAuth,
    value,
};

/// What the file says about our client.
pub(super) struct Client {
    method: &'static str,
    id: Field<String>,
    secret: ClientSecret,
    none_is_named: bool,
}

pub(super) fn read<'a>(reader: &mut Reader<'a>, section: &Section<'a>) -> Client {
    Client {
        method: reader.choice(section, "client_auth"),
        id: reader.text(section, "client_id", value::client_id),
        secret: ClientSecret::read(reader, section),
        none_is_named: reader.insecure(section, "insecure_no_client_auth"),
    }
}

impl Client {
    /// The client authentication; every fault of it is recorded.
    pub(super) fn authentication<'a>(
        self,
        reader: &mut Reader<'a>,
        section: &Section<'a>,
        loopback: bool,
    ) -> Option<ClientAuth> {
        if self.method == "none" {
            return self.none(reader, section, loopback);
        }
        if self.none_is_named {
            let problem = "has no effect: `client_auth` is not `\"none\"`";
            reader.fault(section, "insecure_no_client_auth", Fault::new(ConfigErrorCode::Conflict, problem));
        }
        let needs_id = self.method != "bearer";
        if needs_id && self.id.is_absent() {
            reader.missing(section, "client_id");
        } else if !needs_id && !self.id.is_absent() {
            let problem = "has no effect with `client_auth = \"bearer\"`";
            reader.fault(section, "client_id", Fault::new(ConfigErrorCode::Conflict, problem));
        }
        let (name, secret) = self.secret.one(reader, section)?;
        let secret = reader.secret_text(section, name, &secret)?;
        if self.method == "bearer" {
            return Some(ClientAuth::Bearer(secret));
        }
        let id = ClientId::from(self.id.given()?);
        match self.method {
            "post" => Some(ClientAuth::Post(id, secret)),
            "private_key_jwt" => {
                private_key(reader, section, name, &secret);
                Some(ClientAuth::PrivateKeyJwt(id, secret))
            }
            _ => Some(ClientAuth::Basic(id, secret)),
        }
    }

    fn none<'a>(self, reader: &mut Reader<'a>, section: &Section<'a>, loopback: bool) -> Option<ClientAuth> {
        for (name, absent) in [
            ("client_secret_file", self.secret.file.is_absent()),
            ("client_secret_env", self.secret.variable.is_absent()),
            ("client_id", self.id.is_absent()),
        ] {
            if !absent {
                let problem = "has no effect with `client_auth = \"none\"`";
                reader.fault(section, name, Fault::new(ConfigErrorCode::Conflict, problem));
            }
        }
        if !loopback && !self.none_is_named {
            let problem = "sends no proof of who asks beyond loopback: set `insecure_no_client_auth = true`";
            reader.fault(section, "client_auth", Fault::new(ConfigErrorCode::NotNamedInsecure, problem));
        }
        Some(ClientAuth::None)
    }
}
