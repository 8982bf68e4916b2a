//! JSON Web Signature (RFC 7515).

mod appendix_a;
