//! Records and changes as bytes: each field behind its length.

use countersign::{
    SessionId, UnixTime,
    revocation::{Epoch, Target},
};

use crate::store::{Change, SealedRecord, Terms};

const KEYS_CHANGED: &str = "keys-changed";
const LIFTED: &str = "lifted";
const REVOKED: &str = "revoked";

pub(super) fn records_to_bytes(records: &[SealedRecord]) -> Vec<u8> {
    let mut out = Vec::new();
    for record in records {
        put(&mut out, record.purpose.as_bytes());
        put(&mut out, record.name.as_bytes());
        put(&mut out, &record.sealed);
    }
    out
}

pub(super) fn records_from_bytes(mut bytes: &[u8]) -> Option<Vec<SealedRecord>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let purpose = text(&mut bytes)?;
        let name = text(&mut bytes)?;
        records.push(SealedRecord { purpose, name, sealed: take(&mut bytes)?.to_vec() });
    }
    records.sort_unstable();
    Some(records)
}

pub(super) fn epoch_to_bytes(epoch: &Epoch) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, epoch.as_str().as_bytes());
    out
}

/// The epoch, and what stands behind it.
pub(super) fn epoch_from_bytes(mut bytes: &[u8]) -> Option<(Epoch, &[u8])> {
    let epoch = Epoch::new(&text(&mut bytes)?).ok()?;
    Some((epoch, bytes))
}

pub(super) fn change_to_bytes(change: &Change) -> Vec<u8> {
    let mut out = Vec::new();
    match change {
        Change::KeysChanged { until } => {
            target(&mut out, KEYS_CHANGED, None);
            moment(&mut out, *until);
        }
        Change::Lifted { target: lifted, until } => {
            target(&mut out, LIFTED, Some(lifted));
            moment(&mut out, *until);
        }
        Change::Revoked { target: revoked, name_of, terms, reason } => {
            target(&mut out, REVOKED, Some(revoked));
            moment(&mut out, terms.at);
            moment(&mut out, terms.tokens_until);
            moment(&mut out, terms.sessions_until);
            put(&mut out, reason.as_bytes());
            put(&mut out, name_of.as_ref().map_or("", SessionId::as_str).as_bytes());
        }
    }
    out
}

pub(super) fn change_from_bytes(mut bytes: &[u8]) -> Option<Change> {
    let rest = &mut bytes;
    let (word, kind, id) = (text(rest)?, text(rest)?, text(rest)?);
    let target = || Target::from_parts(&kind, &id);
    let change = match word.as_str() {
        KEYS_CHANGED => Change::KeysChanged { until: read_moment(rest)? },
        LIFTED => Change::Lifted { target: target()?, until: read_moment(rest)? },
        REVOKED => {
            let at = read_moment(rest)?;
            let terms = Terms { at, tokens_until: read_moment(rest)?, sessions_until: read_moment(rest)? };
            let reason = text(rest)?;
            let name_of = Some(text(rest)?).filter(|name| !name.is_empty()).map(SessionId::from);
            Change::Revoked { target: target()?, name_of, terms, reason }
        }
        _ => return None,
    };
    rest.is_empty().then_some(change)
}

fn target(out: &mut Vec<u8>, word: &str, target: Option<&Target>) {
    put(out, word.as_bytes());
    put(out, target.map_or("", Target::kind).as_bytes());
    put(out, target.map_or("", Target::id).as_bytes());
}

fn put(out: &mut Vec<u8>, field: &[u8]) {
    // What is longer than 4 GiB was never read: every field is bounded far below.
    out.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(field);
}

fn moment(out: &mut Vec<u8>, moment: UnixTime) {
    put(out, &moment.as_secs().to_be_bytes());
}

fn take<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (field, rest) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    *bytes = rest;
    Some(field)
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    String::from_utf8(take(bytes)?.to_vec()).ok()
}

fn read_moment(bytes: &mut &[u8]) -> Option<UnixTime> {
    let bytes = <[u8; 8]>::try_from(take(bytes)?).ok()?;
    Some(UnixTime::from_secs(u64::from_be_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use countersign::{UnixTime, revocation::Target};

    use super::{change_from_bytes, change_to_bytes, records_from_bytes, records_to_bytes};
    use crate::store::{Change, SealedRecord, Terms};

    fn changes() -> Vec<Change> {
        let at = UnixTime::from_secs(1_800_000_000);
        let terms = Terms { at, tokens_until: at, sessions_until: UnixTime::MAX };
        let target = Target::from_parts("session", "s-1").unwrap();
        let other = Change::Revoked {
            target: target.clone(),
            name_of: Some("s-0".into()),
            terms,
            reason: "logout".to_owned(),
        };
        vec![
            other,
            Change::KeysChanged { until: at },
            Change::Lifted { target: target.clone(), until: at },
            Change::Revoked { target, name_of: None, terms, reason: "logout".to_owned() },
        ]
    }

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        for change in changes() {
            let bytes = change_to_bytes(&change);
            assert_eq!(change_from_bytes(&bytes), Some(change));
            for length in 0..bytes.len() {
                assert_eq!(change_from_bytes(&bytes[..length]), None, "{length} bytes");
            }
            assert_eq!(change_from_bytes(&[bytes.as_slice(), b"x"].concat()), None);
        }
        let record = |name: &str| SealedRecord {
            purpose: "signing key".to_owned(),
            name: name.to_owned(),
            sealed: vec![0, 255, 7],
        };
        let records = vec![record("a"), record("b")];
        let bytes = records_to_bytes(&records);
        assert_eq!(records_from_bytes(&bytes), Some(records));
        assert_eq!(records_from_bytes(&bytes[..bytes.len() - 1]), None);
        assert_eq!(records_from_bytes(&[]), Some(Vec::new()));
    }
}
