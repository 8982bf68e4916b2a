//! What one key of the configuration is: the row type of [`crate::config::KEYS`].

/// One key: what it takes, what it is when left out, what it means.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Tables and key, with `[]` behind an array of tables: `session.recheck`, `route[].path`.
    pub path: &'static str,
    /// What it takes.
    pub kind: Kind,
    /// What holds without it.
    pub absent: Absent,
    /// One or two sentences for the reference page.
    pub meaning: &'static str,
    /// The first version that knows it.
    pub since: &'static str,
}

/// What holds when a key is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// This value, in TOML.
    Default(&'static str),
    /// Something that words say better.
    Described(&'static str),
    /// An error.
    Required,
}

/// What a key takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// IP address and port.
    Address,
    /// Name of a service.
    Audience,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `session.…` or `userinfo.…`.
    ClaimPath,
    /// An OAuth client identifier.
    ClientId,
    /// A token (RFC 9110 §5.6.2).
    CookieName,
    /// A whole number.
    Count {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A number with a unit of time.
    Duration {
        /// The least.
        min: &'static str,
        /// The most.
        max: &'static str,
    },
    /// A URL of the authorization server, or the word `discover`.
    Endpoint,
    /// Path of a file or folder; a relative one starts at the folder of the configuration file.
    File,
    /// `true` or `false`.
    Flag,
    /// A header field name with `_` or `.`.
    HeaderName,
    /// A host name without port.
    Host,
    /// A header field name that can tell who calls.
    IdentityHeader,
    /// Scheme, host and port, without path.
    Issuer,
    /// Several of one kind.
    List(&'static Self),
    /// A page with the place `{return}`.
    LoginPage,
    /// An HTTP method.
    Method,
    /// An IP network or a single address.
    Network,
    /// One, or several of one kind.
    OneOrList(&'static Self),
    /// An origin of a page (RFC 6454 §6.2).
    Origin,
    /// A page: a URL, or a path of our own origin.
    Page,
    /// A canonical path that begins and ends with `/`.
    PathPrefix,
    /// The beginning of a path.
    RedirectPath,
    /// A header field name that the gateway does not need itself.
    RemovedHeader,
    /// Name of a role.
    Role,
    /// Name of a systemd credential.
    Credential,
    /// One scope (RFC 6749 §3.3).
    ScopeToken,
    /// A file with a secret.
    SecretFile,
    /// An environment variable with a secret.
    SecretVariable,
    /// A number of bytes.
    Size {
        /// The least.
        min: &'static str,
        /// The most.
        max: &'static str,
    },
    /// An HTTP status.
    Status,
    /// A name in a store.
    StoreName,
    /// A URL of a store.
    StoreUrl,
    /// A table.
    Table,
    /// An array of tables.
    Tables,
    /// Scheme, host and port of a service.
    Upstream,
    /// A URL of the authorization server.
    Url,
}

impl Kind {
    /// The expected form, for an error and the reference page.
    #[must_use]
    pub fn expected(self) -> String {
        let text = match self {
            Self::Address => "an IP address and a port: `\"127.0.0.1:8080\"`, `\"[::1]:8080\"`",
            Self::Audience => "the name of a service: 1 to 255 printable ASCII characters without spaces",
            Self::Choice(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
                return format!("one of {}", quoted.join(", "));
            }
            Self::ClaimPath => "a path into the answer: `\"session.org.id\"`, `\"userinfo.groups\"`",
            Self::ClientId => "a client identifier: 1 to 255 printable ASCII characters",
            Self::CookieName => "a cookie name: ASCII letters, digits and ``!#$%&'*+-.^_`|~``",
            Self::Count { min, max } => {
                return format!("a whole number from {} to {}", grouped(min), grouped(max));
            }
            Self::Duration { min, max } => {
                return format!(
                    "a duration from `\"{min}\"` to `\"{max}\"` (units `ms`, `s`, `m`, `h`, `d`)"
                );
            }
            Self::Endpoint => "a URL, or `\"discover\"` to find it in the metadata that `discover` names",
            Self::File => "a path",
            Self::Flag => "`true` or `false`",
            Self::HeaderName => "a header name with `_` or `.`",
            Self::Host => "a host name in lower case without port: `\"shop.example\"`",
            Self::IdentityHeader => {
                "a header name that begins with a letter: up to 64 letters, digits and `-`; not one that HTTP or the gateway uses itself, such as `host` or `x-forwarded-for`"
            }
            Self::Issuer => {
                "an origin: `https://` with host and perhaps port, nothing behind it; `http://` to loopback only"
            }
            Self::List(of) => return format!("an array; each: {}", of.expected()),
            Self::LoginPage => {
                "a URL with `{return}` in its path or query: `\"https://sso.example/login?next={return}\"`; or such a path of our own origin"
            }
            Self::Method => "an HTTP method in upper case, not `CONNECT` or `TRACE`",
            Self::Network => "an IP network or address: `\"10.0.0.0/8\"`, `\"192.0.2.7\"`",
            Self::OneOrList(of) => return format!("{}; or an array of such", of.expected()),
            Self::Origin => "an origin: `\"https://app.example\"`; `http://` to loopback only",
            Self::Page => {
                "a URL: `https://` with host, `http://` to loopback only; or a path of our own origin: `\"/logout\"`"
            }
            Self::PathPrefix => {
                "a path that begins and ends with `/`, of letters, digits, `-`, `.`, `_`, `~`; no `//`, `/./`, `/../`"
            }
            Self::RedirectPath => "the beginning of a path, such as `\"/login\"`",
            Self::RemovedHeader => "a header name, not one that HTTP itself needs such as `host`",
            Self::Credential => "the name of a systemd credential",
            Self::Role => "a role: 1 to 255 characters without control characters",
            Self::ScopeToken => "one scope: visible characters without `\"` and `\\`",
            Self::SecretFile => {
                "the path of a file that holds the secret, readable by its owner and group only"
            }
            Self::SecretVariable => "the name of an environment variable: letters, digits and `_`",
            Self::Size { min, max } => {
                return format!(
                    "a size from `\"{min}\"` to `\"{max}\"` (units `B`, `KiB`, `MiB`, `GiB`), or a number of bytes"
                );
            }
            Self::Status => "a status from 400 to 499, not 408 or 429",
            Self::StoreName => "a name: 1 to 64 ASCII letters, digits, `-`, `_`, `.`, `:`",
            Self::StoreUrl => "a URL: `\"valkeys://db.internal:6379/0\"`, `\"valkey://127.0.0.1\"`",
            Self::Table => "a table",
            Self::Tables => "an array of tables",
            Self::Upstream => {
                "an origin: `\"http://127.0.0.1:9001\"`, `\"https://orders.internal\"`, `\"h2c://127.0.0.1:50051\"`"
            }
            Self::Url => "a URL: `https://` with host; `http://` to loopback only",
        };
        text.to_owned()
    }
}

/// `16777216` as `16,777,216`.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len().saturating_add(8));
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len().saturating_sub(index)).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
