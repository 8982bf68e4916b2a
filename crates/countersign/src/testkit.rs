//! Good and bad tokens for tests (feature `testkit`).
//!
//! Everything here goes through the real [`Verifier`](crate::Verifier): nothing is mocked, so a test that passes shows
//! that the service refuses what it must.
//!
//! ```
//! use std::time::Duration;
//! use countersign::{TokenRefusal, testkit::TestIssuer};
//!
//! let issuer = TestIssuer::new("orders");
//! let verifier = issuer.verifier();
//! let token = issuer.token().subject("ada").organisation("acme").role("editor").sign();
//! assert!(verifier.verify(&token).is_ok());
//!
//! issuer.clock().advance(Duration::from_secs(306)); // its life of 300 s and the leeway of 5 s
//! assert_eq!(verifier.verify(&token).unwrap_err(), TokenRefusal::TokenExpired);
//! ```

#[cfg(feature = "dpop")]
mod bad_proof;
mod catalogue;
mod clock;
#[doc(hidden)]
pub mod fuzz;
#[cfg(feature = "dpop")]
mod fuzz_proof;
mod issuer;
mod keys;
mod own_keys;
#[cfg(feature = "dpop")]
mod proof;
#[cfg(feature = "axum")]
mod protected;
mod raw_rsa;
mod recipe;
#[cfg(feature = "remote")]
mod served;

#[cfg(feature = "axum")]
pub use self::protected::{
    Protected, Unprotected, assert_protected, assert_protected_router, check_protected,
    check_protected_router,
};
#[cfg(feature = "dpop")]
pub use bad_proof::{BadProof, OddProof, ProofSetup, ProvedRequest, bad_proofs, odd_proofs};
pub use catalogue::{BadToken, OddToken, Setup, bad_tokens, odd_tokens};
pub use clock::TestClock;
pub use issuer::{TestIssuer, TestToken};
pub use keys::TestKey;
pub use own_keys::OwnKeys;
#[cfg(feature = "dpop")]
pub use proof::TestProof;
#[cfg(feature = "remote")]
pub use served::ServedIssuer;
