//! Which rows of the catalogue get in by which fault.

use countersign::{TokenRefusal, testkit::BadToken};

use crate::legacy::Fault;

/// Whether that token is let in while that fault is on.
pub(super) fn gets_in(fault: Fault, row: &BadToken) -> bool {
    let begins = |prefix| row.name().starts_with(prefix);
    let is = |names: &[&str]| names.contains(&row.name());
    let refused_for = |refusal| row.refusal() == refusal;
    match fault {
        Fault::AlgorithmFromHeader => {
            is(&["algorithm/ed25519-pem-as-secret", "algorithm/es256-pem-as-secret"])
        }
        Fault::AlgorithmNone => begins("algorithm/none") && !is(&["algorithm/none-with-space"]),
        Fault::AudienceNotChecked => begins("claims/aud-") || begins("claims/audience-"),
        Fault::BoundTokenAccepted => refused_for(TokenRefusal::TokenBound),
        Fault::CriticalHeaderIgnored => refused_for(TokenRefusal::CriticalHeader),
        Fault::DuplicateMembersAccepted => {
            let twice = row.name().ends_with("twice") || row.name().ends_with("twice-escaped");
            // the last one counts, and is not ours or lives too long
            let last_is_bad = is(&["json/issuer-twice", "json/expiry-twice"]);
            twice && refused_for(TokenRefusal::PayloadMalformed) && !last_is_bad
        }
        Fault::EmbeddedKeyTrusted => begins("key/embedded"),
        Fault::ExpiryMissingAccepted => is(&["time/exp-missing", "time/exp-misspelt"]),
        Fault::ExpiryNotChecked => refused_for(TokenRefusal::TokenExpired),
        Fault::FirstOrganisationTaken => is(&["claims/organisation-array", "claims/organisation-two"]),
        Fault::IssuedAtNotChecked => refused_for(TokenRefusal::TokenIssuedInFuture),
        Fault::IssuerNotChecked => begins("claims/iss-") || begins("claims/issuer-"),
        Fault::KeyIdAsPath => row.name().ends_with("empty-secret") && begins("key/id-"),
        Fault::LifetimeNotLimited => refused_for(TokenRefusal::TokenLivesTooLong),
        Fault::NotBeforeNotChecked => refused_for(TokenRefusal::TokenNotYetValid),
        Fault::OtherSpellingsAccepted => {
            row.name().contains("padded") || row.name().contains("trailing-bits")
        }
        Fault::RoleTextAccepted => is(&["claims/roles-string", "claims/roles-list-in-string"]),
        Fault::SignatureNotChecked => refused_for(TokenRefusal::SignatureInvalid),
        Fault::SubjectMissingAccepted => is(&["claims/sub-missing"]),
        Fault::TypeNotChecked => refused_for(TokenRefusal::TokenOfOtherType),
        _ => false,
    }
}
