//! gRPC with tonic: the same verification, and a handler's requirement is its first line.
//!
//! 1. [`Authenticate`] is the layer of [`crate::tower`], and answers as gRPC does: `UNAUTHENTICATED` for 401,
//!    `PERMISSION_DENIED` for 403, `INVALID_ARGUMENT` for 400, `UNAVAILABLE` for 503, with the stable code of the
//!    refusal in the metadata `countersign-refused` and its challenge in `www-authenticate`, as over HTTP.
//!    Where proofs are checked (feature `dpop`) a nonce comes in `dpop-nonce`; the address of a call is the service's
//!    origin and `/package.Service/Method`, its method POST.
//! 2. A service below it takes what it needs from the request: [`Require::require`]. A handler below a server without
//!    the layer is refused (`UNAUTHENTICATED`), never let through. Generated services fix the signature of a handler, so
//!    that, other than with axum, a method that asks for nothing is seen in its body only; any caller with a good token
//!    may call it.
//!
//! ```
//! use countersign::{HasRole, tonic::Require};
//! use tonic::{Request, Response, Status};
//!
//! countersign::roles! {
//!     Editor = "editor";
//! }
//!
//! async fn remove(request: Request<u64>) -> Result<Response<String>, Status> {
//!     let editor: HasRole<Editor> = request.require()?;
//!     Ok(Response::new(remove_row(&editor, *request.get_ref())))
//! }
//!
//! // What must not be done without the role takes the proof, which only `require` gives.
//! fn remove_row(editor: &HasRole<Editor>, row: u64) -> String {
//!     format!("{} removes {row}", editor.caller().subject())
//! }
//! ```
//!
//! A handler that asks for less does not come that far:
//!
//! ```compile_fail,E0308
//! use countersign::{Caller, HasRole, tonic::Require};
//! # use tonic::{Request, Response, Status};
//! # countersign::roles! {
//! #     Editor = "editor";
//! # }
//! # fn remove_row(editor: &HasRole<Editor>, row: u64) -> String {
//! #     format!("{} removes {row}", editor.caller().subject())
//! # }
//! async fn remove(request: Request<u64>) -> Result<Response<String>, Status> {
//!     let caller: Caller = request.require()?;
//!     Ok(Response::new(remove_row(&caller, *request.get_ref())))
//! }
//! ```
//!
//! And what nobody can prove cannot be asked for, such as a name that is no role:
//!
//! ```compile_fail,E0277
//! use countersign::{HasRole, tonic::Require};
//! # use tonic::{Request, Response, Status};
//! struct Editor; // no `RoleName`
//!
//! async fn remove(request: Request<u64>) -> Result<Response<String>, Status> {
//!     let editor: HasRole<Editor> = request.require()?;
//!     Ok(Response::new("removed".to_owned()))
//! }
//! ```

mod layer;
mod require;

pub use self::{
    layer::{Authenticate, Authenticated},
    require::{Require, Requirement},
};

use http::StatusCode;
use tonic::{Code, Status, metadata::MetadataValue};

use crate::TokenRefusal;

/// The metadata that names the refusal's code.
const REFUSED: &str = "countersign-refused";

impl From<TokenRefusal> for Status {
    fn from(refusal: TokenRefusal) -> Self {
        let row = refusal.row();
        let code = match row.status {
            StatusCode::BAD_REQUEST => Code::InvalidArgument,
            StatusCode::FORBIDDEN => Code::PermissionDenied,
            StatusCode::SERVICE_UNAVAILABLE => Code::Unavailable,
            _ => Code::Unauthenticated,
        };
        let mut status = Self::new(code, row.text);
        status.metadata_mut().insert(REFUSED, MetadataValue::from_static(row.code));
        status
    }
}
