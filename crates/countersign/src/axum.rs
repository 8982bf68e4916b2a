//! axum: a handler's argument is its requirement.
//!
//! ```
//! use axum::{extract::Path, routing::{delete, get}};
//! use countersign::{Caller, HasRole, InOrganisation, RoleName, axum::ProtectedRouter};
//! # use countersign::{KeySet, Verifier, tower::Authenticate};
//!
//! struct Editor;
//! impl RoleName for Editor {
//!     const NAME: &'static str = "editor";
//! }
//!
//! async fn hello(caller: Caller) -> String {
//!     format!("hello {}", caller.subject())
//! }
//!
//! async fn remove(editor: HasRole<Editor>, of: InOrganisation, Path(id): Path<u64>) -> String {
//!     format!("{} removes {id} of {}", editor.caller().subject(), of.organisation())
//! }
//!
//! # fn layer() -> Authenticate {
//! #     let builder = Verifier::builder().issuer("https://shop.example").audience("orders");
//! #     Authenticate::new(builder.key_set(KeySet::default()).build().unwrap())
//! # }
//! let router = ProtectedRouter::new()
//!     .route("/hello", get(hello))
//!     .route_requiring::<HasRole<Editor>>("/orders/{id}", delete(remove))
//!     .public_route("/healthz", get(async || "ok"))
//!     .build(&layer(), &["/healthz"])?;
//! # let _: axum::Router = router;
//! # Ok::<(), countersign::axum::OpenRoutes>(())
//! ```
//!
//! The order of answers is 401, then 403, then whatever the handler says: a requirement is decided before the body is
//! read and before any object is looked for. Put requirements before other arguments, or use
//! [`ProtectedRouter::route_requiring`], so that a path that cannot be parsed does not answer first.

mod extract;
mod router;

pub use router::{OpenRoutes, ProtectedRouter};
