//! What is allowed to break a rule, each with its reason. A line that nothing needs any more is a fault.

/// Files (second part empty) and functions that may be longer: path, function, reason.
pub(crate) const LONG: &[(&str, &str, &str)] = &[(
    "crates/countersign-gateway/src/error/table.rs",
    "row",
    "a flat table: one arm for each refusal, read from top to bottom",
)];

/// Stages that name a later one: file, stage, reason.
pub(crate) const OUT_OF_ORDER: &[(&str, &str, &str)] = &[
    (
        "crates/countersign-gateway/src/route.rs",
        "issue",
        "a route holds the policy its tokens are issued under",
    ),
    ("crates/countersign-gateway/src/session.rs", "identity", "an answer is understood once, when it comes"),
    (
        "crates/countersign-gateway/src/session/admission.rs",
        "identity",
        "what was understood is compared with what was known",
    ),
    (
        "crates/countersign-gateway/src/session/cache/entry.rs",
        "identity",
        "an entry holds what was understood",
    ),
    ("crates/countersign-gateway/src/session/cache/entry.rs", "issue", "a token is kept with its policy"),
    (
        "crates/countersign-gateway/src/session/cache/entry.rs",
        "keyring",
        "an entry holds the tokens signed for it",
    ),
];

/// Packages that are built in two versions: name, reason.
pub(crate) const TWICE: &[(&str, &str)] = &[
    ("base64", "pem 4, which rcgen needs for tests, is ahead of everyone else"),
    ("block-buffer", "with digest"),
    ("cpufeatures", "with sha2"),
    ("crypto-common", "with digest"),
    ("digest", "with sha2"),
    ("hashbrown", "sqlx's hashlink is behind quick_cache"),
    ("pem", "jsonwebtoken is behind rcgen; both are for tests"),
    ("sha2", "sqlx-core is behind sqlx-postgres, both of one release"),
    ("syn", "derive macros move to syn 3 one after another; only at build time"),
    ("unicode-width", "miette is behind its own textwrap"),
    ("untrusted", "aws-lc-rs is behind rustls-webpki"),
];

/// Dependencies that no path in the package's source begins with: manifest, name, reason.
pub(crate) const UNNAMED: &[(&str, &str, &str)] = &[];

/// Licences that go with Apache-2.0 OR MIT.
pub(crate) const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];
