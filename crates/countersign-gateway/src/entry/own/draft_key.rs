//! The key under which a page seals unsent work for its user.
//!
//! The same user gets the same key on every replica and after every log-in; another user, or the same one in another
//! organisation, another key. So a draft on the disk of a shared computer is unreadable to who logs in next.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::{error::Refusal, identity::Identity};

const KEY_BYTES: usize = 32;
const SALT: &[u8] = b"countersign draft key";
/// Another epoch makes every earlier draft unreadable.
const EPOCH: &[u8] = b"1";

/// The key, in base64url: HKDF (RFC 5869) of the cluster's secret, bound to subject, organisation and epoch, each with
/// its length before it.
pub(super) fn draft_key(secret: &[u8], identity: &Identity) -> Result<String, Refusal> {
    let organisation = identity.organisation.as_ref().map(|organisation| organisation.as_str().as_bytes());
    let mut context = vec![u8::from(organisation.is_some())];
    for part in [identity.subject.as_str().as_bytes(), organisation.unwrap_or_default(), EPOCH] {
        context.extend_from_slice(&(part.len() as u64).to_be_bytes());
        context.extend_from_slice(part);
    }
    let mut key = [0; KEY_BYTES];
    let derived = Salt::new(HKDF_SHA256, SALT).extract(secret);
    let filled = derived.expand(&[&context], HKDF_SHA256).and_then(|okm| okm.fill(&mut key));
    filled.map_err(|_| Refusal::Bug)?;
    Ok(URL_SAFE_NO_PAD.encode(key))
}

#[cfg(test)]
mod tests {
    use countersign::OrganisationId;

    use super::draft_key;
    use crate::testing;

    #[test]
    fn one_key_for_each_user_in_each_organisation() {
        let mut people = vec![testing::identity("alice", &["editor"]), testing::identity("bob", &[])];
        let mut elsewhere = testing::identity("alice", &[]);
        elsewhere.organisation = Some(OrganisationId::new("globex").unwrap());
        let mut nowhere = testing::identity("alice", &[]);
        nowhere.organisation = None;
        people.extend([elsewhere, nowhere]);
        let keys: std::collections::BTreeSet<_> =
            people.iter().map(|person| draft_key(&[7; 32], person).unwrap()).collect();
        assert_eq!(keys.len(), people.len());
        assert!(keys.iter().all(|key| key.len() == 43));
        let alice = draft_key(&[7; 32], &people[0]).unwrap();
        assert_eq!(alice, draft_key(&[7; 32], &testing::identity("alice", &["viewer"])).unwrap());
        assert_ne!(alice, draft_key(&[8; 32], &people[0]).unwrap());
    }
}
