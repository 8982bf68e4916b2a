//! Doors that nobody closed: what is answered without a token, and by which fault.

use axum::http::Method;

use super::{
    Fault, Faults,
    asked::{Asked, Place, Spelling},
    people::Caller,
};

/// Who is let in without a token, if somebody is.
pub(super) fn let_in(asked: &Asked, faults: &Faults) -> Option<Caller> {
    let invoices = asked.place == Some(Place::Invoices);
    let invoice = matches!(asked.place, Some(Place::Invoice(_)));
    let open = [
        (Fault::HeadUnprotected, asked.method == Method::HEAD),
        (Fault::OldVersionOpen, asked.spelling == Spelling::OldVersion),
        (Fault::OperationUnprotected, invoices && asked.method == Method::GET),
        (Fault::OptionsLeak, asked.method == Method::OPTIONS),
        (Fault::TrailingSlashOpen, asked.spelling == Spelling::TrailingSlash),
        (Fault::UndocumentedDeleteOpen, invoice && asked.method == Method::DELETE),
        (Fault::UndocumentedPutOpen, invoice && asked.method == Method::PUT),
    ];
    if open.into_iter().any(|(fault, concerned)| concerned && faults.has(fault)) {
        return Some(Caller::anybody("nobody"));
    }
    let user = asked.header("x-user").filter(|_| faults.has(Fault::UserHeaderTrusted))?;
    Some(Caller::anybody(user))
}

/// What the service takes the method for.
pub(super) fn method(asked: &Asked, faults: &Faults) -> Method {
    if asked.method == Method::HEAD || (asked.method == Method::OPTIONS && faults.has(Fault::OptionsLeak)) {
        return Method::GET;
    }
    if faults.has(Fault::MethodOverrideHonoured)
        && let Some(other) = asked.header("x-http-method-override")
        && let Ok(other) = other.parse()
    {
        return other;
    }
    asked.method.clone()
}
