//! Methods and spellings of a path that the document does not know, and headers that claim to know the caller.

use super::{Call, Case, Content, Credential, Edit, Ground, Phase, Placement, Rule, Shape, Which, Whose};
use crate::{Operation, document::Access};

/// Header fields that name a user for services that trust their neighbour, in several spellings.
pub(crate) const IDENTITY_FIELDS: &[&str] = &[
    "x-user",
    "x_user",
    "x.user",
    "x-user-id",
    "x-userid",
    "x-username",
    "x-user-name",
    "x-email",
    "x-user-email",
    "x-forwarded-user",
    "x-forwarded-email",
    "x-forwarded-preferred-username",
    "x-auth-request-user",
    "x-auth-request-email",
    "x-auth-user",
    "x-authenticated-user",
    "x-authenticated-userid",
    "x-remote-user",
    "remote-user",
    "remote_user",
    "x-webauth-user",
    "x-ms-client-principal-name",
    "x-subject",
    "x-sub",
    "x-countersign-user",
    "countersign-user",
    "x-consumer-username",
    "x-credential-username",
    "x-internal",
    "x-api-user",
    "x-client-cn",
    "ssl-client-s-dn",
];

const SPELLINGS: &[(&str, Edit)] = &[
    ("path/double-slash", Edit::DoubleSlash),
    ("path/dot-segment", Edit::DotSegment),
    ("path/encoded-dots", Edit::EncodedDots),
    ("path/encoded-letter", Edit::Encoded),
    ("path/in-capitals", Edit::Capital),
    ("path/matrix-parameter", Edit::Matrix),
    ("path/extension", Edit::Extension),
    ("path/encoded-null", Edit::Null),
];

const METHODS: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE"];

pub(super) fn cases(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    let documented = |method: &str| {
        ground.document.operations.iter().any(|other| other.path == operation.path && other.method == method)
    };
    let is_public = ground.access(operation) == Access::Public;
    let anonymous = || {
        let call = ground.call(operation, ground.allowed(operation, Which::A), Credential::Absent);
        Call { headers: Vec::new(), ..call }
    };
    let mut push =
        |cell: String, rule, finding, call| cases.push(Case::new(Phase::Method, cell, rule, finding, call));

    if operation.method == "GET" && !is_public {
        if !documented("HEAD") {
            let call = Call { method: "HEAD".to_owned(), ..anonymous() };
            push("method/head".to_owned(), Rule::NotOpen, "head-unprotected", call);
        }
        let slash = Call { edit: Edit::LastSlash, ..anonymous() };
        push("path/last-slash".to_owned(), Rule::NotOpen, "trailing-slash-open", slash);
        for (cell, edit) in SPELLINGS {
            let call = Call { edit: *edit, ..anonymous() };
            push((*cell).to_owned(), Rule::NotOpen, "path-variant-open", call);
        }
        if operation.path.split('/').any(is_version) {
            let old = Call { edit: Edit::OldVersion, ..anonymous() };
            push("path/older-version".to_owned(), Rule::NotOpen, "old-version-open", old);
        }
        let mut spoofed = anonymous();
        spoofed.headers = identity(ground);
        push("identity/header".to_owned(), Rule::NotOpen, "identity-header-trusted", spoofed);
        let mut rewritten = anonymous();
        rewritten.headers = ["x-original-url", "x-rewrite-url", "x-forwarded-uri", "x-forwarded-prefix"]
            .map(|field| (field, "/health".to_owned()))
            .to_vec();
        push("identity/other-path-in-header".to_owned(), Rule::NotOpen, "path-variant-open", rewritten);
        let mut local = anonymous();
        local.headers = ["x-forwarded-for", "x-real-ip", "x-client-ip", "forwarded", "x-forwarded-host"]
            .map(|field| (field, if field == "forwarded" { "for=127.0.0.1" } else { "127.0.0.1" }.to_owned()))
            .to_vec();
        push("identity/from-loopback".to_owned(), Rule::NotOpen, "identity-header-trusted", local);
    }
    overrides(ground, operation, cases);

    // Once for each path: with its first operation.
    let first = ground.document.operations.iter().find(|other| other.path == operation.path);
    if first.is_some_and(|first| first.method == operation.method) {
        once(ground, operation, &documented, &anonymous, cases);
    }
}

/// `v2` and later.
pub(crate) fn is_version(segment: &str) -> bool {
    segment.strip_prefix('v').and_then(|number| number.parse::<u32>().ok()).is_some_and(|number| number > 1)
}

fn identity(ground: &Ground<'_>) -> Vec<(&'static str, String)> {
    let caller = ground.bearer(&super::Caller {
        organisation: Which::A,
        says_organisation: true,
        roles: crate::tokens::Roles::List(Vec::new()),
        scopes: Vec::new(),
    });
    let mut fields: Vec<(&str, String)> =
        IDENTITY_FIELDS.iter().map(|field| (*field, caller.subject.clone())).collect();
    let organisation = ground.organisation_id(Which::A);
    fields.extend(
        ["x-organisation", "x-organisation-id", "x-tenant-id", "x-org-id"]
            .map(|field| (field, organisation.clone())),
    );
    fields.extend(super::roles::ROLE_FIELDS.iter().map(|field| (*field, "admin".to_owned())));
    fields
}

/// A method that a header smuggles past a caller who may not use it: on what the audit made, and its owner looks.
fn overrides(ground: &Ground<'_>, operation: &Operation, cases: &mut Vec<Case>) {
    let shape = Shape::of(ground, operation);
    if operation.method != "DELETE" || !shape.removes || shape.whose != Whose::Own {
        return;
    }
    let Some(read) = ground.kinds(operation).last().and_then(|kind| ground.on_object("GET", kind)) else {
        return;
    };
    let good = Credential::Good(Placement::Bearer);
    for carrier in ["GET", "POST"] {
        let mut call = ground.call(operation, ground.allowed(read, Which::A), good);
        call.method = carrier.to_owned();
        call.headers = ["x-http-method-override", "x-http-method", "x-method-override"]
            .map(|field| (field, "DELETE".to_owned()))
            .to_vec();
        call.query.push(("_method".to_owned(), "DELETE".to_owned()));
        let cell = format!("method/{}-overridden", carrier.to_ascii_lowercase());
        let mut case = Case::new(Phase::Method, cell, Rule::Unchanged, "method-override-honoured", call);
        case.after = Some(ground.call(read, ground.allowed(read, Which::A), good));
        cases.push(case);
    }
}

fn once(
    ground: &Ground<'_>,
    operation: &Operation,
    documented: &dyn Fn(&str) -> bool,
    anonymous: &dyn Fn() -> Call,
    cases: &mut Vec<Case>,
) {
    let mut options = Call { method: "OPTIONS".to_owned(), content: Content::None, ..anonymous() };
    options.headers = vec![
        ("origin", "https://countersign-audit.invalid".to_owned()),
        ("access-control-request-method", "GET".to_owned()),
    ];
    if !documented("OPTIONS") {
        let mut case = Case::new(Phase::Method, "method/options", Rule::Options, "options-leaks", options);
        case.method = Some("OPTIONS".to_owned());
        cases.push(case);
    }
    for method in METHODS.iter().filter(|method| !documented(method)) {
        let safe = *method == "GET";
        let kinds = ground.kinds(operation);
        let ours = !kinds.is_empty() && kinds.iter().all(|kind| ground.settings.objects.contains_key(*kind));
        let free = ours || ground.destructive == crate::Destructive::Full;
        if (*method == "DELETE" && !free) || (!safe && ground.destructive == crate::Destructive::Off) {
            continue;
        }
        let content = if safe || *method == "DELETE" { Content::None } else { Content::Empty };
        let cell = format!("method/{}", method.to_ascii_lowercase());
        let call = Call { method: (*method).to_owned(), content: content.clone(), ..anonymous() };
        let mut case = Case::new(
            Phase::Method,
            format!("{cell}-without-token"),
            Rule::NotHandled,
            "undocumented-method-open",
            call,
        );
        case.method = Some((*method).to_owned());
        cases.push(case);
        if !safe && !free {
            continue;
        }
        let mut call =
            ground.call(operation, ground.allowed(operation, Which::A), Credential::Good(Placement::Bearer));
        call.caller.roles = crate::tokens::Roles::List(ground.roles.to_vec());
        call.method = (*method).to_owned();
        call.content = content;
        let mut case = Case::new(Phase::Method, cell, Rule::NotHandled, "undocumented-method", call);
        case.method = Some((*method).to_owned());
        cases.push(case);
    }
}
