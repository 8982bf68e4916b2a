//! Every key of the configuration, once. The parser, its errors, the reference page and the JSON schema read this.

use crate::config::key::{Absent, Key, Kind};

const fn key(path: &'static str, kind: Kind, absent: Absent, meaning: &'static str) -> Key {
    Key { path, kind, absent, meaning, since: "0.1" }
}

const EMPTY: Absent = Absent::Default("[]");
const NOT_SAID: Absent = Absent::Described("no header says it");
const OFF: Absent = Absent::Default("false");

/// Every key, in the order of the reference page: a table stands before its keys.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("issuer", Kind::Issuer, Absent::Required,
        "Who signs: the `iss` of every token, the origin of the gateway's own pages and the place of its metadata. \
         It is compared byte for byte by every verifier."),
    key("listen", Kind::Address, Absent::Default("\"127.0.0.1:8080\""),
        "Where requests come in, and where the key set is served (`/.well-known/jwks.json`). Another address than \
         loopback needs `[tls]` or `insecure_listen = true`."),
    key("admin_listen", Kind::Address, Absent::Default("\"127.0.0.1:8081\""),
        "Read-only listener in plain HTTP: `/metrics`, `/healthz`, `/readyz` and the key set."),
    key("internal_listen", Kind::Address, Absent::Described("there is no such listener"),
        "Listener for clients that prove who they are (`[[client]]`): the revocation feed for services, token \
         revocation (RFC 7009), exchange (RFC 8693) and introspection (RFC 7662). Speaks TLS with the certificate of \
         `[tls]`; without it, another address than loopback needs `insecure_internal_listen = true`."),
    key("state_dir", Kind::File, Absent::Described("`$STATE_DIRECTORY` (systemd), else `/var/lib/countersign`"),
        "The gateway's own folder (0700): signing keys, audit log and the socket of `countersign keys`."),
    key("encryption_key_file", Kind::SecretFile, Absent::Described("`state_dir/kek`, made at the first start"),
        "Key under which the signing keys are sealed in the store: 32 random bytes in Base64, as `openssl rand -base64 32` \
         writes them. The one in `state_dir` protects a copy of the database, not a copy of the whole folder. Another \
         key cannot open what is stored."),
    key("encryption_key_env", Kind::SecretVariable, Absent::Described("as without `encryption_key_file`"),
        "Environment variable with that key, in place of `encryption_key_file`."),
    key("encryption_key_credential", Kind::Credential, Absent::Described("as without `encryption_key_file`"),
        "Name of a systemd credential (`LoadCredentialEncrypted=`) with that key, in place of \
         `encryption_key_file`: the file of that name in `$CREDENTIALS_DIRECTORY`."),
    key("workers", Kind::Count { min: 1, max: 1_024 }, Absent::Described("the number of cores"),
        "Data worker threads."),
    key("trusted_proxies", Kind::List(&Kind::Network), EMPTY,
        "Peers whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Empty: nobody's. A network with prefix \
         length 0 needs `insecure_trust_any_proxy = true`."),
    key("insecure_listen", Kind::Flag, OFF,
        "Lets `listen` be another address than loopback without `[tls]`: whoever can read the network between \
         caller and gateway reads the session cookie."),
    key("insecure_internal_listen", Kind::Flag, OFF,
        "Lets `internal_listen` be another address than loopback without `[tls]`: whoever can read that network \
         reads the secrets of clients."),
    key("insecure_trust_any_proxy", Kind::Flag, OFF,
        "Lets `trusted_proxies` hold every address: any caller can then choose the address it is seen with."),
    key("insecure_secret_files", Kind::Flag, OFF,
        "Accepts secret files that every user of the machine can read. Files that group or others can write are \
         refused in any case."),

    key("tls", Kind::Table, Absent::Described("`listen` speaks plain HTTP"),
        "Certificate and key of `listen`. Both files are read again when they change."),
    key("tls.certificate_file", Kind::File, Absent::Required,
        "The certificate chain in PEM, leaf first."),
    key("tls.key_file", Kind::SecretFile, Absent::Required,
        "The private key in PEM."),

    key("store", Kind::Table, Absent::Described("one gateway, with its store in `state_dir`"),
        "A Valkey or Redis that several gateways share: keys, revocations and, sealed, the answers of the authorization \
         server. All of them need the same `encryption_key_file`. Read at the start only."),
    key("store.url", Kind::OneOrList(&Kind::StoreUrl), Absent::Required,
        "Where it is: `valkey://host:port/database`, `valkeys://` with TLS. With `sentinel`: where the sentinels are."),
    key("store.sentinel", Kind::StoreName, Absent::Described("`url` is the server itself"),
        "The name under which the sentinels at `url` know the primary."),
    key("store.username", Kind::StoreName, Absent::Described("the default user"),
        "The gateway's user there (ACL)."),
    key("store.password_file", Kind::SecretFile, Absent::Described("no password"),
        "File with the password. Line ends behind it are not part of it."),
    key("store.ca_file", Kind::File, Absent::Described("the machine's root certificates"),
        "Root certificates in PEM that the server is checked with."),
    key("store.name", Kind::StoreName, Absent::Default("\"countersign\""),
        "Begins the name of everything the gateways keep there: several clusters can share a database."),
    key("store.timeout", Kind::Duration { min: "10ms", max: "10s" }, Absent::Default("\"250ms\""),
        "Longest wait for one answer of the store. One that fails is left alone for a second; each gateway goes on \
         alone meanwhile."),
    key("store.cache", Kind::Flag, Absent::Default("true"),
        "Keeps the authorization server's answers there too, so that another gateway, or one that starts, need not ask \
         again. Each is sealed under its own credential: who reads or writes the store becomes nobody."),
    key("store.max_alone", Kind::Duration { min: "10s", max: "30d" }, Absent::Described("for as long as it takes"),
        "How long a gateway goes on signing that cannot read the store, and so does not know what was revoked elsewhere; \
         then it answers 503 `revocations_unread` until it can. No token outlives a revocation by more than this and its \
         own life."),
    key("store.insecure_plain", Kind::Flag, OFF,
        "Lets `valkey://` be used beyond loopback: whoever can read that network learns the password, and can then \
         remove what is kept; what is sealed stays closed."),

    key("session", Kind::Table, Absent::Described("required, unless with `[guard]` no route needs a session"),
        "Whose sessions are accepted, and how the authorization server is asked about them."),
    key("session.cookie", Kind::CookieName, Absent::Described("no cookie is a credential"),
        "The cookie that holds the session token. `cookie`, `bearer` or both are needed."),
    key("session.bearer", Kind::Flag, OFF,
        "Accepts an opaque token in `Authorization: Bearer` too. Needs `accept_clients`."),
    key("session.introspect", Kind::Endpoint, Absent::Described("introspection is not asked, unless `discover` stands alone"),
        "Introspection endpoint (RFC 7662). Not with `whoami`."),
    key("session.userinfo", Kind::Endpoint, Absent::Described("userinfo is not asked"),
        "OpenID Connect userinfo endpoint, alone or after `introspect`; both must then agree on `sub`. Not with `whoami`."),
    key("session.whoami", Kind::Url, Absent::Described("no such endpoint is asked"),
        "Any endpoint that understands the credential and answers a JSON object, or an array that holds one. Gets the \
         cookie or token as it came. Not with `introspect`, `userinfo` or `discover`."),
    key("session.whoami_method", Kind::Choice(&["GET", "POST"]), Absent::Default("\"GET\""),
        "The method `whoami` is asked with."),
    key("session.no", Kind::Table, Absent::Described("its defaults"),
        "What \"no session\" looks like in an answer of `whoami`, besides `null`, `{}`, `[]`, 204, and an empty body \
         whose length the server states."),
    key("session.no.status", Kind::List(&Kind::Status), Absent::Default("[401]"),
        "These statuses mean no."),
    key("session.no.redirect_to", Kind::RedirectPath, Absent::Described("every redirect is nonsense (503)"),
        "A redirect to this path or below it means no: `/login` is `/login?next=…` and `/login/…`, and not `/login.php`. \
         Every other redirect is nonsense (503)."),
    key("session.no.unless", Kind::ClaimPath, Absent::Described("an object with members is a session"),
        "An answer in which nothing stands there, or `null`, or `false`, means no: `\"session.user\"` where the server \
         answers `{\"user\": null}` to whoever is not logged in."),
    key("session.discover", Kind::Url, Absent::Described("nothing is discovered"),
        "Issuer whose metadata (RFC 8414, OpenID Connect Discovery) names the endpoints that are `\"discover\"`; \
         without `introspect` and `userinfo` it names the introspection endpoint."),
    key("session.client_auth", Kind::Choice(&["basic", "post", "bearer", "private_key_jwt", "none"]), Absent::Default("\"basic\""),
        "How the gateway authenticates at the introspection endpoint. The secret is the client secret (`basic`, \
         `post`), an access token (`bearer`) or a private key in PKCS#8 PEM (`private_key_jwt`)."),
    key("session.client_id", Kind::ClientId, Absent::Described("required with `basic`, `post` and `private_key_jwt`"),
        "The gateway's own client at the authorization server."),
    key("session.client_secret_file", Kind::SecretFile, Absent::Described("`client_secret_env` is needed, unless `client_auth = \"none\"`"),
        "File with the secret. Line ends behind it are not part of it."),
    key("session.client_secret_env", Kind::SecretVariable, Absent::Described("`client_secret_file` is needed, unless `client_auth = \"none\"`"),
        "Environment variable with the secret."),
    key("session.require_token_type", Kind::Flag, OFF,
        "Refuses a live token whose introspection answer has none of `token_type`, `token_use` and `typ`. Set it \
         where the server tells the kind of access tokens and leaves it out for refresh tokens, which are no \
         sessions: oidc-provider and Spring Authorization Server do. `countersign check` tells if yours does."),
    key("session.accept_clients", Kind::List(&Kind::ClientId), EMPTY,
        "Clients whose sessions are accepted: `client_id` or `aud` of the answer. Empty: any client, which with \
         `bearer` needs `insecure_any_client = true`."),
    key("session.keep_alive", Kind::Url, Absent::Described("the old application is not told of what it does not see"),
        "A page of the old application that is asked for with the cookie, as a browser would, after each recheck that a \
         user's request caused, so that who works with new services only is not idle to it. Its answer does not matter. \
         Not with `whoami`, which does the same."),
    key("session.recheck", Kind::Duration { min: "1s", max: "1h" }, Absent::Default("\"30s\""),
        "How long an answer is taken as fresh: a log-out that only the authorization server knows of takes effect \
         at the next request after it, and in an outage requests get 503 from then on."),
    key("session.stale_if_error", Kind::Duration { min: "2s", max: "1d" }, Absent::Described("requests get 503 from `recheck` on"),
        "In an outage of the authorization server the last good answer is served until it is so old: never past the \
         session's end, never after a revocation. Who logs out at the server meanwhile, or loses a role, is served \
         as before for up to this long, and for a token's lifetime at a service that has one. Longer than `recheck`."),
    key("session.max_age", Kind::Duration { min: "1m", max: "30d" }, Absent::Default("\"8h\""),
        "Life of a session whose end the server does not tell, from first sight; again so long if it lives then."),
    key("session.timeout", Kind::Duration { min: "10ms", max: "1m" }, Absent::Default("\"2s\""),
        "Longest wait for one look-up."),
    key("session.cache_entries", Kind::Count { min: 64, max: 10_000_000 }, Absent::Default("100_000"),
        "Sessions kept in memory, together for all workers: about 2 KiB each."),
    key("session.max_lookups", Kind::Count { min: 1, max: 65_536 }, Absent::Default("256"),
        "Look-ups at once."),
    key("session.max_lookups_per_client", Kind::Count { min: 1, max: 65_536 }, Absent::Default("32"),
        "Look-ups at once for one client address."),
    key("session.max_waiters", Kind::Count { min: 1, max: 1_000_000 }, Absent::Default("16_384"),
        "Requests waiting for one look-up, and of all sessions for a revocation to be old enough to sign after it."),
    key("session.insecure_http", Kind::Flag, OFF,
        "Lets the authorization server be asked over plain HTTP beyond loopback: whoever can read that network \
         reads every credential."),
    key("session.insecure_any_client", Kind::Flag, OFF,
        "Lets `bearer` accept tokens that were issued to any client: an application that its user trusts with \
         little can then act here with all of that user's rights."),
    key("session.insecure_no_client_auth", Kind::Flag, OFF,
        "Lets `client_auth = \"none\"` be used beyond loopback."),

    key("guard", Kind::Table, Absent::Described("no route is guarded"),
        "Whose access tokens routes with `guard = true` let through, in front of services in any language."),
    key("guard.issuer", Kind::Url, Absent::Required,
        "The issuer: `iss` of its tokens, compared byte for byte. Not the gateway's own `issuer`."),
    key("guard.keys", Kind::Endpoint, Absent::Default("\"discover\""),
        "Its key set; `\"discover\"` finds it in the issuer's metadata."),
    key("guard.revocations", Kind::Url, Absent::Described("a token is good until its end"),
        "Where the issuer, a gateway like this one, has its `internal_listen`: its feed of revocations is followed."),
    key("guard.client_id", Kind::ClientId, Absent::Described("required with `revocations`"),
        "Which `[[client]]` of that gateway we are."),
    key("guard.client_auth", Kind::Choice(&["basic", "private_key_jwt"]), Absent::Default("\"basic\""),
        "How that is proven: by a secret, or by an assertion signed with a private key in PKCS#8 PEM, whose public half \
         that gateway has (`public_key_file`)."),
    key("guard.client_secret_file", Kind::SecretFile, Absent::Described("`client_secret_env` is needed with `revocations`"),
        "File with that client's secret or private key. Line ends behind it are not part of it."),
    key("guard.client_secret_env", Kind::SecretVariable, Absent::Described("`client_secret_file` is needed with `revocations`"),
        "Environment variable with that client's secret or private key."),
    key("guard.on_feed_loss", Kind::Choice(&["keep", "refuse"]), Absent::Default("\"keep\""),
        "What happens to tokens while the feed is lost: `keep` lets those through that are not known to be revoked, \
         `refuse` answers 503."),
    key("guard.headers", Kind::Table, Absent::Described("services read the token"),
        "Headers in which services behind guarded routes are told who calls. On every route, whatever its kind, the \
         client's own headers of these names are removed. A claim that a token lacks has no header. Values are visible \
         ASCII; everything else, `%`, `+` and `,` are percent-encoded (UTF-8). Together they are 4 KiB at most."),
    key("guard.headers.subject", Kind::IdentityHeader, NOT_SAID,
        "Who calls (`sub`)."),
    key("guard.headers.organisation", Kind::IdentityHeader, NOT_SAID,
        "Whose data the caller may see (`organisation`)."),
    key("guard.headers.roles", Kind::IdentityHeader, NOT_SAID,
        "The caller's roles, divided by commas. A comma within a role is `%2C`."),
    key("guard.headers.scope", Kind::IdentityHeader, NOT_SAID,
        "What the client was allowed (`scope`), divided by spaces."),
    key("guard.headers.username", Kind::IdentityHeader, NOT_SAID,
        "The name a person logs in with (`preferred_username`)."),
    key("guard.headers.email", Kind::IdentityHeader, NOT_SAID,
        "E-mail address (`email`)."),
    key("guard.headers.client_id", Kind::IdentityHeader, NOT_SAID,
        "The client that the token was issued to (`client_id`)."),
    key("guard.headers.actor", Kind::IdentityHeader, NOT_SAID,
        "Who acts for the caller at present (`act.sub`). Without it a service cannot tell a caller from somebody who \
         acts for them."),
    key("guard.headers.session", Kind::IdentityHeader, NOT_SAID,
        "The issuer's name for the session (`sid`)."),
    key("guard.headers.token_id", Kind::IdentityHeader, NOT_SAID,
        "The token's name (`jti`), for logs."),
    key("guard.insecure_http", Kind::Flag, OFF,
        "Lets keys and feed be fetched over plain HTTP beyond loopback: whoever is on that network can become any caller."),

    key("claims", Kind::Table, Absent::Described("the standard members"),
        "What a token says: paths into the answer of the authorization server. `session` is what introspection or \
         `whoami` answered, `userinfo` what userinfo answered."),
    key("claims.subject", Kind::ClaimPath, Absent::Described("`sub` of the answer"),
        "Who the caller is. A session without it is refused."),
    key("claims.username", Kind::ClaimPath, Absent::Described("`username`, then `preferred_username`"),
        "The name a person logs in with. Only on routes that ask for it."),
    key("claims.email", Kind::ClaimPath, Absent::Described("`email`"),
        "E-mail address. Only on routes that ask for it."),
    key("claims.roles", Kind::ClaimPath, Absent::Described("`roles`"),
        "What the caller may do: an array, or one string of roles separated by spaces."),
    key("claims.organisation", Kind::ClaimPath, Absent::Described("tokens name no organisation"),
        "Whose data the caller may see. When given, a session without exactly one organisation is refused."),

    key("claims.role", Kind::Tables, Absent::Described("the scope of a session bounds no role"),
        "A role that a session has only as far as its scope reaches: a token that a client got for little does not \
         carry all that its user may do."),
    key("claims.role[].name", Kind::Role, Absent::Required,
        "The role."),
    key("claims.role[].scope", Kind::ScopeToken, Absent::Required,
        "The role is left out of tokens unless the session's `scope` holds this one (RFC 6749 §3.3). A session \
         without any scope holds none."),

    key("token", Kind::Table, Absent::Described("its defaults"),
        "How tokens are signed."),
    key("token.algorithm", Kind::Choice(&["ES256", "Ed25519", "RS256"]), Absent::Default("\"ES256\""),
        "Algorithm of the key ring. Ed25519 is written as `EdDSA` in tokens and key set, the name that verifiers know."),
    key("token.lifetime", Kind::Duration { min: "30s", max: "1h" }, Absent::Default("\"5m\""),
        "Life of a token. Never beyond the end of its session."),
    key("token.key_lead", Kind::Duration { min: "6m", max: "30d" }, Absent::Default("\"24h\""),
        "How long a new signing key is published before it signs, for verifiers that keep the key set longer than \
         its `Cache-Control` says. A change of `algorithm` takes effect after it."),
    key("token.rotation", Kind::Duration { min: "1h", max: "365d" }, Absent::Default("\"30d\""),
        "How long a key signs before the standby key takes over, and never less than `key_lead`. Keys that are gone \
         are kept, sealed, up to 64 in all."),
    key("token.header_budget", Kind::Size { min: "512B", max: "16KiB" }, Absent::Default("\"4KiB\""),
        "Longest `Authorization` value. A token that would be longer is refused by name, never cut."),
    key("token.shared_secret", Kind::Tables, Absent::Described("every token is signed by the key ring"),
        "An audience whose tokens are signed with HS256. Whoever holds the secret can make tokens for it."),
    key("token.shared_secret[].audience", Kind::Audience, Absent::Required,
        "The audience. A route must have it."),
    key("token.shared_secret[].secret_file", Kind::SecretFile, Absent::Required,
        "File with the secret: at least 32 bytes, another one for each audience. Line ends behind it are not part of it."),

    key("route", Kind::Tables, Absent::Required,
        "Who gets it. The longest matching `path` wins, a route with `host` before one without. Exactly one kind: \
         with `audience` (session in, access token out), with `audience` and `guard`, `public` or `legacy`."),
    key("route[].path", Kind::PathPrefix, Absent::Required,
        "Path prefix. `/orders/` matches `/orders/…` only, byte for byte, and `/Orders/` is another path: where the service \
         ignores the case of paths, it must not be looser behind one route than behind another."),
    key("route[].host", Kind::Host, Absent::Described("every host"),
        "Only for this host."),
    key("route[].upstream", Kind::OneOrList(&Kind::Upstream), Absent::Required,
        "Where requests go. `https` speaks HTTP/2 or HTTP/1.1, `http` HTTP/1.1, `h2c` HTTP/2 in clear. `http` and \
         `h2c` beyond loopback need `insecure_http = true`. Certificates are verified against the machine's trust \
         store, or the file that the environment variable `SSL_CERT_FILE` names."),
    key("route[].audience", Kind::Audience, Absent::Described("required, unless `public` or `legacy`"),
        "Whom the token is for. Routes with the same audience ask for the same `claims`."),
    key("route[].require", Kind::Table, Absent::Described("any caller with a session or token"),
        "What is demanded of a caller."),
    key("route[].require.roles", Kind::List(&Kind::Role), Absent::Described("any role, or none"),
        "One of these roles is needed."),
    key("route[].require.scope", Kind::List(&Kind::ScopeToken), Absent::Described("any scope, or none"),
        "All of these are needed in the scope of token or session. A caller without one gets 403 `scope_missing`, and is \
         told what is needed."),
    key("route[].require.organisation", Kind::Flag, OFF,
        "The caller must be of an organisation. Otherwise 403 `organisation_missing`."),
    key("route[].claims", Kind::List(&Kind::Choice(&["username", "email"])), EMPTY,
        "What the token says besides subject, roles and organisation: `username` becomes `preferred_username`."),
    key("route[].public", Kind::Flag, OFF,
        "No look-up, no token; the credential is removed."),
    key("route[].legacy", Kind::Flag, OFF,
        "The old application: cookie and `Authorization` pass untouched, no token."),
    key("route[].guard", Kind::Flag, OFF,
        "Takes access tokens of the issuer of `[guard]` in `Authorization: Bearer`, for exactly this `audience`, and sends \
         them on as they came. No session, no look-up."),
    key("route[].forward_token", Kind::Flag, Absent::Default("true"),
        "With `guard`: the service gets the token. `false`: no `Authorization` reaches it, only what `guard.headers` \
         tells."),
    key("route[].strip_prefix", Kind::Flag, OFF,
        "Removes `path` before the request is forwarded."),
    key("route[].methods", Kind::List(&Kind::Method), Absent::Described("all but `CONNECT` and `TRACE`"),
        "Methods that are let through."),
    key("route[].upgrade", Kind::Flag, OFF,
        "Allows upgrades, such as WebSocket. They exist over HTTP/1.1 only, which a proxy in front must speak with the \
         gateway then."),
    key("route[].body_timeout", Kind::Duration { min: "100ms", max: "7d" }, Absent::Described("`limits.body_timeout`"),
        "Between two pieces of a body, either way, on this route: for event streams and gRPC streams that are silent \
         for long. `limits.max_stream` ends them in any case."),
    key("route[].require_countersign_header", Kind::Flag, OFF,
        "Demands the header `Countersign: 1` of requests with cookie and unsafe method, which no other site's form can send."),
    key("route[].allowed_origins", Kind::List(&Kind::Origin), EMPTY,
        "Origins of other sites whose pages may send unsafe requests with the cookie."),
    key("route[].allow_public_cache", Kind::Flag, OFF,
        "Lets the service's own `Cache-Control: public` pass."),
    key("route[].allow_headers", Kind::List(&Kind::HeaderName), EMPTY,
        "Header names with `_` or `.` that pass. Others are dropped: many servers cannot tell them from `-`."),
    key("route[].remove_headers", Kind::List(&Kind::RemovedHeader), EMPTY,
        "Further header names of the client, also in trailers, that do not reach the upstream. Those that carry an \
         identity are [always removed](headers.md)."),
    key("route[].insecure_path", Kind::Flag, OFF,
        "Forwards paths that are not canonical as they are: gateway and service may then see two different paths."),
    key("route[].insecure_http", Kind::Flag, OFF,
        "Lets `upstream` be `http` or `h2c` beyond loopback: whoever can read that network reads every token."),

    key("browser", Kind::Table, Absent::Described("there are no session endpoints"),
        "Session endpoints for pages under `/.countersign/`. Needs `session.cookie`."),
    key("browser.login_url", Kind::LoginPage, Absent::Required,
        "The old server's own log-in page. `{return}` becomes the percent-encoded URL to which the browser is to be \
         sent afterwards: `/.countersign/done` of our origin."),
    key("browser.logout_url", Kind::Page, Absent::Described("log-out is known here alone, and its answer says `server_session`: `alive` or `unknown`"),
        "The old server's own log-out page. The browser goes there once the session is revoked here."),
    key("browser.mode", Kind::Choice(&["cookie", "bearer"]), Absent::Default("\"cookie\""),
        "`cookie`: no token reaches a page. `bearer`: a page gets a short token for the gateway alone, to send in \
         `Authorization`; not with `session.bearer`."),
    key("browser.audiences", Kind::List(&Kind::Audience), EMPTY,
        "Audiences whose tokens a page may ask for, to call the service itself. Only with `mode = \"bearer\"`; routes \
         must have them."),
    key("browser.allowed_origins", Kind::List(&Kind::Origin), EMPTY,
        "Origins of other sites whose pages may use the session endpoints with the cookie. For routes see \
         `route.allowed_origins`."),
    key("browser.redirect", Kind::Flag, OFF,
        "Sends a navigation without a session to the log-in (303) in place of 401. Requests of scripts always get 401."),

    key("client", Kind::Tables, Absent::Described("nobody may use `internal_listen`"),
        "A client of `internal_listen`, most often a service. Known by exactly one of `secret_file`, `secret_env` and \
         `public_key_file`."),
    key("client[].id", Kind::ClientId, Absent::Required,
        "Its name."),
    key("client[].secret_file", Kind::SecretFile, Absent::Described("another proof is needed"),
        "File with its secret, at least 16 bytes (HTTP basic). Line ends behind it are not part of it."),
    key("client[].secret_env", Kind::SecretVariable, Absent::Described("another proof is needed"),
        "Environment variable with its secret."),
    key("client[].public_key_file", Kind::File, Absent::Described("another proof is needed"),
        "Its public key in PEM (`private_key_jwt`)."),
    key("client[].audience", Kind::Audience, Absent::Described("it is no service"),
        "The service that it is: it may give back, ask about and exchange tokens of this audience."),
    key("client[].exchange", Kind::List(&Kind::Audience), EMPTY,
        "Audiences that it may ask tokens for."),
    key("client[].exchanges_per_second", Kind::Count { min: 1, max: 1_000_000 }, Absent::Default("500"),
        "How often in a second it may ask for one, at each gateway; beyond it the answer is 429."),

    key("backchannel_logout", Kind::Table, Absent::Described("log-out tokens are refused"),
        "Whose log-out tokens are believed (OpenID Connect Back-Channel Logout): the authorization server posts them \
         to `/backchannel-logout` of `internal_listen`."),
    key("backchannel_logout.issuer", Kind::Url, Absent::Required,
        "The authorization server: `iss` of its log-out tokens, compared byte for byte."),
    key("backchannel_logout.keys", Kind::Endpoint, Absent::Default("\"discover\""),
        "Its key set; `\"discover\"` finds it in the issuer's metadata."),
    key("backchannel_logout.client_id", Kind::ClientId, Absent::Described("`session.client_id`"),
        "Our client at the authorization server: `aud` of its log-out tokens."),
    key("backchannel_logout.insecure_http", Kind::Flag, OFF,
        "Lets the key set be fetched over plain HTTP beyond loopback: whoever is on that network can log everybody out."),
    key("backchannel_logout.insecure_missing_type", Kind::Flag, OFF,
        "Believes log-out tokens without `typ`, of servers that do not write it: the server must then never sign \
         anything else that looks like one."),

    key("limits", Kind::Table, Absent::Described("its defaults"),
        "Bounds of the HTTP side."),
    key("limits.header_bytes", Kind::Size { min: "4KiB", max: "256KiB" }, Absent::Default("\"32KiB\""),
        "Header section of a request."),
    key("limits.header_count", Kind::Count { min: 8, max: 100 }, Absent::Default("100"),
        "Header fields of a request. The pieces of a cookie that was split over HTTP/2 are one."),
    key("limits.body_bytes", Kind::Size { min: "0B", max: "1024GiB" }, Absent::Default("\"16MiB\""),
        "Body of a request. 0 is no limit."),
    key("limits.connections", Kind::Count { min: 16, max: 1_000_000 }, Absent::Default("10_000"),
        "Open connections, together for all workers. Read at the start."),
    key("limits.connections_per_client", Kind::Count { min: 1, max: 1_000_000 }, Absent::Default("1_024"),
        "Open connections of one client address (of one /64 with IPv6); those beyond are closed as soon as they are \
         accepted. `trusted_proxies` have no such bound: list the proxy that all requests come from."),
    key("limits.header_timeout", Kind::Duration { min: "100ms", max: "5m" }, Absent::Default("\"10s\""),
        "For the whole header section of a request, and over HTTP/2 for its trailers."),
    key("limits.idle_timeout", Kind::Duration { min: "1s", max: "1h" }, Absent::Default("\"60s\""),
        "Between two requests on one connection."),
    key("limits.body_timeout", Kind::Duration { min: "100ms", max: "1h" }, Absent::Default("\"30s\""),
        "Between two pieces of a body, either way. What a client does not take for so long is closed; over HTTP/2 its \
         stream is reset, where it takes less than 16 KiB in that time."),
    key("limits.connect_timeout", Kind::Duration { min: "10ms", max: "1m" }, Absent::Default("\"2s\""),
        "TCP and TLS to an upstream."),
    key("limits.first_byte_timeout", Kind::Duration { min: "100ms", max: "1h" }, Absent::Default("\"60s\""),
        "From the sent request to the first byte of the answer."),
    key("limits.max_stream", Kind::Duration { min: "1s", max: "7d" }, Absent::Default("\"1h\""),
        "Longest life of an answer's stream or an upgraded connection."),
    key("limits.drain", Kind::Duration { min: "0s", max: "1h" }, Absent::Default("\"30s\""),
        "For open requests after SIGTERM."),
    key("limits.upstream_idle", Kind::Count { min: 0, max: 10_000 }, Absent::Default("64"),
        "Idle connections kept to one upstream, for each worker."),
    key("limits.http2_streams", Kind::Count { min: 1, max: 10_000 }, Absent::Default("128"),
        "HTTP/2 streams at once on one connection."),

    key("log", Kind::Table, Absent::Described("its defaults"),
        "What is written to standard error."),
    key("log.json", Kind::Flag, Absent::Default("true"),
        "JSON lines instead of text."),
    key("log.requests", Kind::Flag, OFF,
        "A line for each forwarded request. Refusals, look-ups that failed and key events are always written; look-ups \
         that worked with `run --verbose`."),
];

/// The row of a key.
#[must_use]
pub(super) fn find(path: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.path == path)
}

/// The last part of a path: the name as it stands in the file.
#[must_use]
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit_once('.').map_or(path, |(_, name)| name)
}

/// The names that may stand in a table; its path is empty for the top of the file.
pub(super) fn names_in(table: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(move |key| match key.path.rsplit_once('.') {
        Some((parent, name)) => (parent == table).then_some(name),
        None => table.is_empty().then_some(key.path),
    })
}
