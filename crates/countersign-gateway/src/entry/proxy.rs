//! The reverse proxy: carries a decision out on the request itself.
//!
//! A request is answered here, in this order: what the head guard refused; our own documents; what `translate`
//! refuses; and only then by a service.

use std::{net::IpAddr, sync::Arc};

use arc_swap::ArcSwap;
use countersign::{SessionId, UnixTime};
use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use ipnet::IpNet;
use tokio::time::Instant;

use super::{
    client,
    decision_id::{DecisionId, DecisionIds},
    legacy::{self, Fate},
    outgoing,
    own::{self, SessionEndpoints},
    passage::Passage,
    refuse::{self, Reached},
    under_way::UnderWay,
};
use crate::{
    clock::{Clock, Now},
    config::resolved::Limits,
    credential::{CredentialKind, OwnedCredential},
    decision::{Decision, Refuse, Remove},
    error::Refusal,
    http::{
        Answer, Fields, Head, Parts, cors,
        headers::{
            CacheRule, CredentialRule, RequestRules, ResponseRules, UpgradeRule, VaryBy, asks_for_upgrade,
            holds_token, strip_request, strip_response,
        },
        problem::DECISION,
    },
    metadata::{Metadata, MetadataHandle},
    observe::{CacheResult, Observation, Observer, Refused, RouteLabel, requests::RequestLine},
    revocation::Lease,
    route::{Kind, Route},
    server::{Connection, Handler, Outbound, Upgrading, Worker, head_guard},
    translate::{Translation, Warm},
    upstream::{
        self, Body, Forwarded, Inbound, Scheme, Target, Term, Unreachable, UpstreamError, UpstreamRequest,
    },
};

/// Everything the proxy needs under one configuration. A request keeps the snapshot it began with.
#[derive(Debug)]
pub struct Snapshot {
    /// How requests are decided.
    pub translation: Translation,
    /// Where the requests of each route go, in the order of the route table.
    pub targets: Vec<Arc<Target>>,
    /// Session endpoints for pages, if there are any.
    pub browser: Option<SessionEndpoints>,
    /// Bounds.
    pub limits: Limits,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// The reverse proxy.
#[derive(Debug)]
pub struct Proxy {
    snapshot: Arc<ArcSwap<Snapshot>>,
    metadata: Arc<MetadataHandle>,
    clock: Arc<dyn Clock>,
    workers: Vec<PerWorker>,
}

/// What belongs to one worker.
#[derive(Debug)]
struct PerWorker {
    ids: DecisionIds,
    observer: Observer,
}

/// A request under way.
struct Call<'a> {
    snapshot: &'a Snapshot,
    metadata: &'a MetadataHandle,
    clock: &'a dyn Clock,
    worker: &'a Arc<Worker>,
    observer: &'a Observer,
    connection: &'a Arc<Connection>,
    id: DecisionId,
    client: IpAddr,
    now: Now,
}

/// Whose page is to read an answer, as its browser says.
enum Reader {
    /// One of an origin that the route allows.
    Allowed(HeaderValue),
    /// One of another site.
    Foreign,
    /// Our own, or none.
    Ours,
}

impl Reader {
    fn apply(&self, answer: &mut Fields) {
        match self {
            Self::Allowed(origin) => cors::allow(answer, origin),
            Self::Foreign => cors::withdraw(answer),
            Self::Ours => {}
        }
    }
}

impl Proxy {
    /// A proxy for as many workers as there are observers and ids.
    #[must_use]
    pub fn new(
        snapshot: Arc<ArcSwap<Snapshot>>,
        metadata: Arc<MetadataHandle>,
        clock: Arc<dyn Clock>,
        ids: Vec<DecisionIds>,
        observers: Vec<Observer>,
    ) -> Self {
        let workers =
            ids.into_iter().zip(observers).map(|(ids, observer)| PerWorker { ids, observer }).collect();
        Self { snapshot, metadata, clock, workers }
    }

    fn call<'a>(
        &'a self,
        snapshot: &'a Snapshot,
        PerWorker { ids, observer }: &'a PerWorker,
        connection: &'a Arc<Connection>,
        worker: &'a Arc<Worker>,
        client: IpAddr,
    ) -> Call<'a> {
        let (metadata, clock, id) = (&*self.metadata, &*self.clock, ids.next());
        Call { snapshot, metadata, clock, worker, observer, connection, id, client, now: clock.now() }
    }
}

impl Handler for Proxy {
    async fn handle(
        &self,
        parts: &mut Parts,
        body: &mut Inbound,
        connection: &Arc<Connection>,
        worker: &Arc<Worker>,
    ) -> Answer<Outbound> {
        let Some(own) = self.workers.get(worker.index) else { return Response::new(Outbound::Empty).into() };
        let snapshot = self.snapshot.load_full();
        let client = client::address(connection.peer.ip(), &parts.fields, &snapshot.trusted_proxies);
        self.call(&snapshot, own, connection, worker, client).answer(parts, body).await
    }

    fn now(&self) -> UnixTime {
        self.clock.now().wall
    }

    fn refuse(
        &self,
        refusal: Refusal,
        connection: &Arc<Connection>,
        worker: &Arc<Worker>,
    ) -> Answer<Outbound> {
        let Some(own) = self.workers.get(worker.index) else { return Response::new(Outbound::Empty).into() };
        let snapshot = self.snapshot.load_full();
        // Whom a trusted proxy speaks for stands in a head that cannot be read.
        let client = connection.peer.ip().to_canonical();
        let call = self.call(&snapshot, own, connection, worker, client);
        call.observe_refusal(refusal, None, None, None);
        refuse::answer_and_close(refusal, call.id, &Method::GET).into()
    }
}

impl Call<'_> {
    async fn answer(&self, parts: &mut Parts, body: &mut Inbound) -> Answer<Outbound> {
        if parts.version == Version::HTTP_2
            && let Some(refusal) = head_guard::fault_in(parts, self.snapshot.limits.header_count)
        {
            self.observe_refusal(refusal, None, None, None);
            return refuse::answer(refusal, self.id, &parts.method, Reached::Nothing).into();
        }
        if let Some(answer) = self.own_document(parts) {
            return answer.into();
        }
        if let Some(endpoints) = &self.snapshot.browser
            && own::is_own(parts.uri.path())
        {
            let under_way = UnderWay::of(self.observer.metrics());
            let answer = Box::pin(self.own_endpoint(endpoints, parts)).await;
            under_way.answered();
            return answer;
        }
        if parts.method == Method::OPTIONS
            && let Some(answer) = self.route_preflight(parts)
        {
            return answer;
        }
        let decision = match self.snapshot.translation.warm(parts, self.client, self.now) {
            Warm::Decided(decision) => {
                if matches!(&decision, Decision::Forward(forward) if matches!(forward.route.kind, Kind::Translate(_)))
                {
                    self.observer.metrics().cache(CacheResult::Hit);
                }
                decision
            }
            Warm::Refresh(decision, ask) => {
                self.observer.metrics().cache(CacheResult::Refresh);
                self.snapshot.translation.refresh(*ask);
                decision
            }
            // Apart, so that the future of a warm request stays small.
            Warm::Cold(ask) => {
                self.observer.metrics().cache(CacheResult::Miss);
                Box::pin(self.snapshot.translation.cold(*ask)).await
            }
        };
        let passage = match decision {
            Decision::Refuse(refuse) => {
                let label = refuse.route.as_deref().map_or(RouteLabel::None, label_of);
                self.observer.metrics().request(label);
                return self.refuse(&refuse, parts);
            }
            Decision::Pass(pass) => Passage::from(pass),
            Decision::Forward(forward) => Passage::from(forward),
        };
        let under_way = UnderWay::of(self.observer.metrics());
        let answer = self.forward(parts, body, &passage).await;
        under_way.answered();
        answer
    }

    /// The key set and the metadata, which stand before every route. They have no decision's name: caches keep them, and
    /// hand them to others.
    fn own_document(&self, parts: &Parts) -> Option<Response<Outbound>> {
        if !Metadata::may_be_at(parts.uri.path()) {
            return None;
        }
        let documents = self.metadata.load();
        let answer = documents.at(parts.uri.path())?.answer(&parts.method, &parts.fields);
        let response = match answer {
            Ok(document) => document.map(Outbound::from),
            Err(refusal) => {
                self.observe_refusal(refusal, None, None, None);
                refuse::answer(refusal, self.id, &parts.method, Reached::Nothing)
            }
        };
        self.observer.metrics().request(RouteLabel::Own);
        self.observer.metrics().answered(RouteLabel::Own, response.status());
        Some(response)
    }

    /// A browser asks whether a page of an origin that the route allows may send a request.
    fn route_preflight(&self, parts: &Parts) -> Option<Answer<Outbound>> {
        let route = self.snapshot.translation.route_for_preflight(parts)?;
        let origin = cors::allowed_origin(&parts.fields, &route.config.allowed_origins)?;
        let label = label_of(route);
        self.observer.metrics().request(label);
        let mut response = match cors::requested_names(&parts.fields) {
            Ok(names) => cors::preflight(origin, route.methods(), names).map(Outbound::from),
            Err(refusal) => return Some(self.refuse(&Refuse::on(route, refusal), parts)),
        };
        self.observer.metrics().answered(label, response.status());
        response.headers_mut().insert(DECISION.clone(), self.id.to_header_value());
        Some(response.into())
    }

    /// What pages ask for themselves.
    async fn own_endpoint(&self, endpoints: &SessionEndpoints, parts: &Parts) -> Answer<Outbound> {
        self.observer.metrics().request(RouteLabel::Own);
        let response = match endpoints.answer(&self.snapshot.translation, parts, self.client).await {
            Ok(answer) => {
                let mut response = refuse::without_body_for_head(answer, &parts.method).map(Outbound::from);
                response.headers_mut().insert(DECISION.clone(), self.id.to_header_value());
                response
            }
            Err(refusal) => {
                self.observe_refusal(refusal, None, None, None);
                refuse::answer(refusal, self.id, &parts.method, Reached::Nothing)
            }
        };
        let mut answer = Answer::from(response);
        endpoints.dress(parts, &mut answer.head.fields);
        self.observer.metrics().answered(RouteLabel::Own, answer.head.status);
        answer
    }

    /// Sends the request on and brings the answer back.
    async fn forward(&self, parts: &mut Parts, body: &mut Inbound, passage: &Passage) -> Answer<Outbound> {
        let route = &*passage.route;
        let label = label_of(route);
        self.observer.metrics().request(label);
        let upgrade = match self.admit(parts, route) {
            Ok(upgrade) => upgrade,
            Err(refusal) => return self.refuse(&passage.refuse(refusal), parts),
        };
        let cookie = self.legacy_cookie(parts, passage);
        let reader = self.reader(&parts.fields, route);
        let forwarded = self.rewrite(parts, passage, upgrade);
        if !route.config.remove_headers.is_empty() {
            body.also_remove(&route.config.remove_headers);
        }
        if let Some(timeout) = route.config.body_timeout {
            body.may_pause(timeout);
        }
        let Some(target) = self.snapshot.targets.get(route.index) else {
            return self.refuse(&passage.refuse(Refusal::Bug), parts);
        };
        let authorization = passage.authorization();
        let sent = match upgrade {
            UpgradeRule::Remove => {
                let request = UpstreamRequest { parts, forwarded: Some(&forwarded), authorization, body };
                self.worker.upstreams.send(target, request).await
            }
            UpgradeRule::Keep => {
                let term = self.last_moment(passage).map(|until| Term { until, lease: self.lease(passage) });
                let request = UpstreamRequest { parts, forwarded: Some(&forwarded), authorization, body };
                Box::pin(self.tunnel(target, request, term)).await
            }
        };
        let answer = match sent {
            Ok(mut answer) => {
                if answer.body.is_awaited() {
                    self.bind(&mut answer.body, passage);
                }
                if let Some(cookie) = cookie {
                    self.follow_cookie(cookie, &answer.head.fields);
                }
                self.finish(&mut answer.head, passage, upgrade);
                reader.apply(&mut answer.head.fields);
                answer.map(Outbound::from)
            }
            Err(error) => {
                let refusal = Refusal::from(error);
                self.observe_refusal(refusal, Some(route), passage.session(), Some(&error));
                let refused = refuse::answer(refusal, self.id, &parts.method, Reached::before(error));
                let mut answer = Answer::from(refused);
                reader.apply(&mut answer.head.fields);
                answer
            }
        };
        self.observer.metrics().answered(label, answer.head.status);
        self.write_line(parts, passage, &answer);
        answer
    }

    /// An answer that is not all there yet ends with its session.
    fn bind(&self, body: &mut Body, passage: &Passage) {
        if let Some(last) = self.last_moment(passage) {
            body.end_by(last);
        }
        if let Some(lease) = self.lease(passage) {
            body.hold(lease);
        }
        if let Some(authorization) = passage.authorization() {
            body.withhold(authorization.clone());
        }
    }

    /// The right to a stream that begins now.
    fn lease(&self, passage: &Passage) -> Option<Lease> {
        let sessions = &self.snapshot.translation.sessions;
        passage.holder.as_ref().map(|holder| sessions.lease(holder))
    }

    /// When the session of a stream that begins now is over.
    fn last_moment(&self, passage: &Passage) -> Option<Instant> {
        let left = passage.not_after?.saturating_since(self.clock.now().wall);
        Some(Instant::now() + left.min(self.snapshot.limits.max_stream))
    }

    /// Asks the service for another protocol; when it agrees, the client's connection becomes a tunnel to it.
    async fn tunnel(
        &self,
        target: &Target,
        request: UpstreamRequest<'_>,
        term: Option<Term>,
    ) -> Result<Answer<Body>, UpstreamError> {
        let Some(client) = Upgrading::take(&mut request.parts.extensions) else {
            return Err(UpstreamError::Unreachable(Unreachable::Protocol));
        };
        *request.body = request.body.emptied();
        request.parts.fields.remove(b"content-length");
        request.parts.fields.remove(b"trailer");
        self.worker.upstreams.upgrade(target, request, client, term).await
    }

    /// The session cookie of a request that goes to the old application with it.
    fn legacy_cookie(&self, parts: &Parts, passage: &Passage) -> Option<OwnedCredential> {
        if passage.remove != Remove::IdentityHeaders {
            return None;
        }
        let credential = self.snapshot.translation.credentials.find(&parts.fields).ok()??;
        (credential.kind == CredentialKind::Cookie).then(|| credential.to_owned())
    }

    /// What the old application did to the session cookie happened to the session.
    fn follow_cookie(&self, cookie: OwnedCredential, answer: &Fields) {
        let translation = &self.snapshot.translation;
        let Some(name) = translation.credentials.cookie() else { return };
        match legacy::fate_of(answer, name, cookie.value.expose(), self.now.wall) {
            Some(Fate::Deleted) => translation.sessions.taken_away(cookie, self.client),
            Some(Fate::Replaced) => translation.sessions.replaced(cookie, self.client),
            None => {}
        }
    }

    /// What only this protocol can ask for: a body of a length, an upgrade, a target in some form.
    fn admit(&self, parts: &mut Parts, route: &Route) -> Result<UpgradeRule, Refusal> {
        let upgrade = match (asks_for_upgrade(parts.version, &parts.fields), route.config.upgrade) {
            (true, true) => UpgradeRule::Keep,
            (true, false) => return Err(Refusal::UpgradeNotAllowed),
            (false, _) => UpgradeRule::Remove,
        };
        let length = outgoing::content_length(&parts.fields)?;
        let has_body = length.is_some_and(|length| length > 0) || parts.fields.has(b"transfer-encoding");
        // Its body would be the first bytes of the next request on that connection, or of the other protocol.
        if upgrade == UpgradeRule::Keep && has_body {
            return Err(Refusal::Framing);
        }
        let limit = self.snapshot.limits.body_bytes;
        if limit > 0 && length.is_some_and(|length| length > limit) {
            return Err(Refusal::BodyTooLarge);
        }
        outgoing::prepare(parts, route)?;
        Ok(upgrade)
    }

    /// Takes from the head what the service must not see. What is ours goes with it.
    fn rewrite(&self, parts: &mut Parts, passage: &Passage, upgrade: UpgradeRule) -> Forwarded {
        let credential = match passage.remove {
            Remove::Credential => CredentialRule::Remove,
            Remove::IdentityHeaders => CredentialRule::Keep,
        };
        let own = if self.connection.tls { Scheme::Https } else { Scheme::Http };
        let (peer, trusted) = (self.connection.peer.ip(), &*self.snapshot.trusted_proxies);
        let scheme = client::scheme(peer, &parts.fields, trusted, own);
        let (allow, remove) = (passage.route.allowed_headers(), &*passage.route.config.remove_headers);
        // First: where the cookie stands is known while no other field has gone.
        if passage.remove == Remove::Credential {
            self.snapshot.translation.credentials.remove_cookie(&mut parts.fields, passage.cookie);
        }
        strip_request(&mut parts.fields, &RequestRules { allow, remove, credential, upgrade });
        let address = if self.connection.peer.ip().to_canonical() == self.client {
            self.connection.peer_value()
        } else {
            upstream::render(self.client)
        };
        if let Some(identity) = &passage.identity {
            identity.set(&mut parts.fields);
        }
        Forwarded { address, scheme }
    }

    /// Takes from the answer what the client must not see, and sets what is ours.
    fn finish(&self, head: &mut Head, passage: &Passage, upgrade: UpgradeRule) {
        let route = &passage.route;
        let cache = match (&route.kind, route.config.allow_public_cache) {
            (Kind::Guard(_) | Kind::Translate(_), true) => CacheRule::MayBePublic,
            (Kind::Guard(_) | Kind::Translate(_), false) => CacheRule::Private,
            (Kind::Legacy | Kind::Public, _) => CacheRule::Untouched,
        };
        let credentials = &self.snapshot.translation.credentials;
        let own_cookie = credentials.cookie();
        let rules = ResponseRules {
            session_cookie: own_cookie.filter(|_| passage.remove == Remove::Credential),
            token: passage.authorization(),
            cache,
            vary: if matches!(route.kind, Kind::Guard(_))
                || credentials.bearer()
                || self.snapshot.translation.page_tokens.is_some()
            {
                VaryBy::CookieAndAuthorization
            } else {
                VaryBy::Cookie
            },
            // Any answer but 101 is an answer like every other.
            upgrade: match head.status {
                StatusCode::SWITCHING_PROTOCOLS => upgrade,
                _ => UpgradeRule::Remove,
            },
        };
        strip_response(&mut head.fields, &rules);
        if head.reason.as_ref().is_some_and(|reason| holds_token(reason, &rules)) {
            head.reason = None;
        }
        if let Some(cookie) = &passage.set_cookie {
            head.fields.add(&header::SET_COOKIE, cookie);
            head.fields.set(&header::CACHE_CONTROL, &HeaderValue::from_static("private, no-store"));
        }
        // What a service says under this name has been taken away.
        head.fields.append(DECISION.as_str().as_bytes(), self.id.as_str().as_bytes());
    }

    /// Answers a request that reached no service, and was counted as one that came in.
    fn refuse(&self, refuse: &Refuse, parts: &Parts) -> Answer<Outbound> {
        let Refuse { refusal, route, session } = refuse;
        let label = route.as_deref().map_or(RouteLabel::None, label_of);
        self.observe_refusal(*refusal, route.as_deref(), session.as_ref(), None);
        let detour = match (route.as_deref().map(|route| &route.kind), &self.snapshot.browser) {
            (Some(Kind::Translate(_)), Some(endpoints)) => endpoints.detour(*refusal, parts),
            _ => None,
        };
        let mut response = match detour {
            Some(location) => refuse::answer_elsewhere(*refusal, self.id, location),
            None => refuse::answer(*refusal, self.id, &parts.method, Reached::Nothing),
        };
        if let Some(route) = route {
            refuse::name_scope(response.headers_mut(), *refusal, route);
        }
        let mut answer = Answer::from(response);
        if let Some(route) = route {
            self.reader(&parts.fields, route).apply(&mut answer.head.fields);
        }
        self.observer.metrics().answered(label, answer.head.status);
        answer
    }

    /// The page that is to read the answer.
    fn reader(&self, fields: &Fields, route: &Route) -> Reader {
        let (Some(origin), Kind::Translate(_)) = (fields.first(b"origin"), &route.kind) else {
            return Reader::Ours;
        };
        match cors::allowed_origin(fields, &route.config.allowed_origins) {
            Some(origin) => Reader::Allowed(origin),
            None if origin == self.snapshot.translation.own_origin.as_bytes() => Reader::Ours,
            None => Reader::Foreign,
        }
    }

    fn observe_refusal(
        &self,
        refusal: Refusal,
        route: Option<&Route>,
        session: Option<&SessionId>,
        error: Option<&UpstreamError>,
    ) {
        let own_origin = &self.snapshot.translation.own_origin;
        let detail = refuse::detail(refusal, route, error, own_origin);
        self.observer.observe(Observation::Refused(Refused {
            refusal,
            decision: self.id.as_str(),
            route: route.map(|route| route.config.path.as_str()),
            session,
            client: Some(self.client),
            detail: detail.as_deref(),
        }));
    }

    fn write_line(&self, parts: &Parts, passage: &Passage, answer: &Answer<Outbound>) {
        let Some(lines) = self.observer.requests() else { return };
        let length = http_body::Body::size_hint(&answer.body).exact().unwrap_or(0);
        lines.push(&RequestLine {
            time: self.now.wall,
            decision: self.id.as_str(),
            client: Some(self.client),
            method: &parts.method,
            path: parts.uri.path(),
            kind: label_of(&passage.route),
            route: Some(&passage.route.config.path),
            session: passage.session(),
            status: answer.head.status,
            bytes: length,
            duration: self.clock.now().monotonic.saturating_since(self.now.monotonic),
        });
    }
}

const fn label_of(route: &Route) -> RouteLabel {
    match route.kind {
        Kind::Guard(_) => RouteLabel::Guard,
        Kind::Legacy => RouteLabel::Legacy,
        Kind::Public => RouteLabel::Public,
        Kind::Translate(_) => RouteLabel::Translate,
    }
}
