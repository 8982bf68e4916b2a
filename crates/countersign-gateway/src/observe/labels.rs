//! The closed sets that metric labels and log fields are made of.

use http::StatusCode;

use crate::error::{Refusal, SourceError};

/// A closed set of names that can index an array.
pub(super) trait Label: Copy + 'static {
    /// All of them.
    const ALL: &'static [Self];
    /// Stable name.
    fn label(self) -> &'static str;
    /// Place in an array of `ALL.len()`.
    fn index(self) -> usize;
}

macro_rules! labels {
    ($(#[$doc:meta])* $visibility:vis enum $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        $visibility enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// Stable name, the same in logs and metrics.
            #[must_use]
            $visibility const fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        impl Label for $name {
            const ALL: &'static [Self] = &[$(Self::$variant,)+];

            fn label(self) -> &'static str {
                $name::label(self)
            }

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

labels! {
    /// What happened to the breaker before a source.
    pub enum BreakerEvent {
        /// The server answers again.
        Closed = "closed",
        /// A look-up was not made because the breaker is open.
        Held = "held",
        /// The server does not answer: nothing but probes for a while.
        Opened = "opened",
    }
}

labels! {
    /// What a request met in the session cache.
    pub enum CacheResult {
        /// Waited for a look-up that another request began.
        Coalesced = "coalesced",
        /// Fresh enough.
        Hit = "hit",
        /// Not known, or past its recheck: a look-up began.
        Miss = "miss",
        /// Known to be no session (remembered for at most two seconds).
        No = "no",
        /// Fresh enough, and old enough to begin the next look-up.
        Refresh = "refresh",
        /// Another gateway had asked: its answer was used.
        Shared = "shared",
        /// Past its recheck, and served because the server cannot be asked (`stale_if_error`).
        Stale = "stale",
    }
}

labels! {
    /// What came of telling the old application that a session is in use.
    pub enum KeepAliveResult {
        /// It answered something.
        Answered = "answered",
        /// It did not.
        Failed = "failed",
    }
}

labels! {
    /// What happened to a client's connection, or to a listener.
    pub enum ConnectionEvent {
        /// Accepted.
        Accepted = "accepted",
        /// The listener stopped accepting; open connections are served to their end.
        Draining = "draining",
        /// Accepting failed: no file descriptors, for example.
        AcceptFailed = "accept_failed",
        /// A listener accepts.
        Listening = "listening",
        /// Closed at once: its address had as many open as one client may have.
        OverClientLimit = "over_client_limit",
        /// As many were open as the limit allows: none is accepted until one ends.
        OverLimit = "over_limit",
        /// The peer broke off, broke the protocol, or was too slow with a head or with taking an answer.
        ProtocolError = "protocol_error",
        /// The certificate was read again.
        TlsReloaded = "tls_reloaded",
        /// The TLS handshake failed or took too long.
        TlsFailed = "tls_failed",
    }
}

labels! {
    /// What happened to keys or revocations of the issuer that guarded routes trust.
    pub enum GuardEvent {
        /// Its revocations are known again, or for the first time.
        FeedCurrent = "feed_current",
        /// They are not: `guard.on_feed_loss` says what that means.
        FeedLost = "feed_lost",
        /// The last good keys are too old: every token is answered with 503.
        KeysEnded = "keys_ended",
        /// The keys are as the issuer has them.
        KeysFetched = "keys_fetched",
        /// The keys could not be fetched yet: every token is answered with 503.
        KeysMissing = "keys_missing",
        /// The issuer cannot be asked: its last good keys are used.
        KeysStale = "keys_stale",
    }
}

impl GuardEvent {
    /// Whether it is about revocations.
    pub(crate) const fn is_of_feed(self) -> bool {
        matches!(self, Self::FeedCurrent | Self::FeedLost)
    }
}

labels! {
    /// Where a key is in its life.
    pub enum KeyPhase {
        /// In the key set, not signing yet.
        Published = "published",
        /// The one that signs.
        Signing = "signing",
        /// In the key set for tokens that still live.
        VerifyingOnly = "verifying_only",
        /// In no key set.
        Gone = "gone",
    }
}

labels! {
    /// What happened to a revocation.
    pub enum RevocationEvent {
        /// It was taken back.
        Lifted = "lifted",
        /// It is durable.
        Recorded = "recorded",
        /// There was no room for it; nobody waited for an answer.
        Unenforced = "unenforced",
        /// It holds here, but the store could not write it.
        Unrecorded = "unrecorded",
    }
}

labels! {
    /// Why something was revoked.
    pub enum RevocationReason {
        /// The authorization server told of a log-out (OpenID Connect Back-Channel Logout).
        BackChannel = "back_channel",
        /// A recheck found less power or another organisation.
        Changed = "changed",
        /// An answer of the old application deleted the session cookie.
        LegacyCookie = "legacy_cookie",
        /// Log-out at the gateway.
        LogOut = "log_out",
        /// An operator.
        Operator = "operator",
        /// The authorization server said "no" about a session that was alive.
        ServerSaidNo = "server_said_no",
        /// A client gave a token back (RFC 7009).
        TokenGivenBack = "token_given_back",
    }
}

labels! {
    /// What came of a look-up.
    pub enum LookupOutcome {
        /// It is a session.
        Live = "live",
        /// It is not.
        No = "no",
        /// An answer that is no answer.
        Nonsense = "nonsense",
        /// The server refuses us.
        RefusesUs = "refuses_us",
        /// No complete answer in time.
        Timeout = "timeout",
        /// Given up because too many were under way.
        TooMany = "too_many",
        /// No connection, or a failing server.
        Unavailable = "unavailable",
    }
}

labels! {
    /// How a reload went.
    pub enum ReloadOutcome {
        /// The new configuration is in force.
        Applied = "applied",
        /// It is wrong; the old one stays in force.
        Refused = "refused",
        /// Nothing in it differs.
        Unchanged = "unchanged",
    }
}

labels! {
    /// What kind of route a request took.
    pub enum RouteLabel {
        /// The old application.
        Legacy = "legacy",
        /// A token of another issuer in, the same out.
        Guard = "guard",
        /// None matched.
        None = "none",
        /// Our own pages: key set, metadata.
        Own = "own",
        /// Without a session.
        Public = "public",
        /// Session in, token out.
        Translate = "translate",
    }
}

labels! {
    /// What happened to a session.
    pub enum SessionEvent {
        /// Seen for the first time.
        Began = "began",
        /// A recheck changed a claim.
        Changed = "changed",
        /// The server gave it another cookie.
        Moved = "moved",
        /// The server says no, its end has come, or its subject changed.
        Ended = "ended",
    }
}

labels! {
    /// What is asked about a credential.
    pub enum SourceLabel {
        /// Nobody.
        Nobody = "nobody",
        /// RFC 7662.
        Introspection = "introspection",
        /// Introspection, then userinfo.
        IntrospectionAndUserinfo = "introspection_and_userinfo",
        /// OpenID Connect userinfo.
        Userinfo = "userinfo",
        /// Any endpoint.
        Whoami = "whoami",
    }
}

labels! {
    /// What happened to an upstream.
    pub enum UpstreamEvent {
        /// A connection was made.
        Connected = "connected",
        /// A connection could not be made.
        ConnectFailed = "connect_failed",
        /// It gets no requests for a while, as long as there is another.
        Ejected = "ejected",
        /// The head of its answer was not HTTP.
        Malformed = "malformed",
        /// A connection to it was made again.
        Recovered = "recovered",
        /// A request that was not sent went to another connection.
        Retried = "retried",
        /// No head of an answer in time.
        TimedOut = "timed_out",
    }
}

labels! {
    /// First digit of a status.
    pub(super) enum StatusClass {
        /// 1xx, which only an upgrade ends with.
        Informational = "1xx",
        /// 2xx.
        Success = "2xx",
        /// 3xx.
        Redirection = "3xx",
        /// 4xx.
        ClientError = "4xx",
        /// 5xx, and what is no class.
        ServerError = "5xx",
    }
}

impl From<StatusCode> for StatusClass {
    fn from(status: StatusCode) -> Self {
        match status.as_u16() {
            100..=199 => Self::Informational,
            200..=299 => Self::Success,
            300..=399 => Self::Redirection,
            400..=499 => Self::ClientError,
            _ => Self::ServerError,
        }
    }
}

impl From<&SourceError> for LookupOutcome {
    fn from(error: &SourceError) -> Self {
        match error {
            SourceError::Unavailable(_) => Self::Unavailable,
            SourceError::Timeout => Self::Timeout,
            SourceError::Nonsense(_) => Self::Nonsense,
            SourceError::RefusesUs(_) => Self::RefusesUs,
            SourceError::TooMany => Self::TooMany,
            SourceError::OfHalf { error, .. } => Self::from(&**error),
        }
    }
}

impl Label for Refusal {
    const ALL: &'static [Self] = Self::COUNTED;

    fn label(self) -> &'static str {
        self.code()
    }

    fn index(self) -> usize {
        self.place()
    }
}
