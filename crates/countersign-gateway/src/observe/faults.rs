//! What every code of a fault means: one table for the reference page and for `countersign status`.

/// Something is wrong, whether requests are served meanwhile or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The same in log, `/readyz` and `/status`.
    pub code: &'static str,
    /// What is wrong.
    pub meaning: &'static str,
    /// What an operator does.
    pub remedy: &'static str,
    /// It ends without an operator.
    pub passes: bool,
}

/// The row of a code.
#[must_use]
pub fn find(code: &str) -> Option<&'static Fault> {
    FAULTS.iter().find(|fault| fault.code == code)
}

const fn passes(code: &'static str, meaning: &'static str, remedy: &'static str) -> Fault {
    Fault { code, meaning, remedy, passes: true }
}

const fn stays(code: &'static str, meaning: &'static str, remedy: &'static str) -> Fault {
    Fault { code, meaning, remedy, passes: false }
}

/// All of them, sorted by code.
#[rustfmt::skip]
pub const FAULTS: &[Fault] = &[
    passes("answers_unusable", "`state_dir/answers.db` cannot be written, or was damaged and made anew", "look whether the disk is full; sessions are asked about anew after the next start"),
    passes("guard_feed_lost", "the revocation feed of the issuer of `[guard]` is lost", "look at the issuer and the way to it; `on_feed_loss` says what happens to tokens meanwhile"),
    passes("guard_keys_ended", "the keys of the issuer of `[guard]` are older than 24 hours: guarded routes answer 503", "look at the issuer and the way to it"),
    passes("guard_keys_missing", "the keys of the issuer of `[guard]` never came: guarded routes answer 503", "look at the issuer and the way to it"),
    passes("guard_keys_stale", "the last fetch of the keys of the issuer of `[guard]` failed; those at hand are used", "look at the issuer and the way to it, within 24 hours"),
    passes("keyring_another_server", "another server answers for the keys, or it was restarted: a change of the last seconds that no gateway has seen may be missing", "look at `countersign keys list`, if keys were just changed"),
    stays("keyring_change", "the ring cannot be changed as asked", "read the message"),
    passes("keyring_changed_apart", "the store lost a change of the keys, and another gateway made one: gateways that share the store merge both", "a single gateway: restore the store; at a start that is refused, deleting `state_dir/ring-seen` accepts what is there"),
    passes("keyring_empty_after_full", "the store lost the keys: gateways that share it put them back from memory", "a single gateway: restore the store; at a start that is refused, deleting `state_dir/ring-seen` begins with new keys"),
    stays("keyring_encryption_key", "the key-encryption key is missing or malformed", "put back the file that `encryption_key_file` names, or `state_dir/kek`"),
    stays("keyring_incomplete", "records of the ring are missing or left over", "restore a backup of the store"),
    stays("keyring_key", "a key cannot be made, read or written", "read the message"),
    stays("keyring_key_mismatch", "the bytes of a key are another key's: the store was changed by hand", "restore a backup of the store"),
    stays("keyring_no_entropy", "the system gives no randomness", "look at the machine"),
    stays("keyring_other_ring", "the store holds other keys than before", "restore the store; at a start that is refused, deleting `state_dir/ring-seen` accepts them"),
    stays("keyring_record_missing", "a record of the ring is missing", "restore a backup of the store"),
    stays("keyring_schedule", "the stored moments of the keys make no schedule", "restore a backup of the store"),
    stays("keyring_tampered", "a record of the ring was changed or moved", "restore a backup of the store, and find out who wrote it"),
    stays("keyring_unreadable", "a record of the ring has an unknown form", "use the release that wrote it, or a newer one"),
    passes("keyring_went_back", "the store went back to earlier keys: gateways that share it put the later ones back", "a single gateway: restore the store; at a start that is refused, deleting `state_dir/ring-seen` accepts them"),
    stays("keyring_witness_malformed", "`state_dir/ring-seen` is malformed", "restore it; deleting it accepts the keys in the store as they are"),
    stays("keyring_wrong_encryption_key", "the keys were sealed under another key-encryption key", "put the old one back"),
    stays("metadata", "the key set cannot be rendered; the one before stays in force", "read the message"),
    stays("revocation_unreadable", "an entry of the log of revocations cannot be read: it may have been a revocation", "find out who wrote it, remove it, restart"),
    stays("revocations_dropped", "more than 10,000 revocations wait for the store: later ones hold until the next restart only", "bring the store back before a restart"),
    passes("revocations_pending", "revocations hold at this gateway and are not written yet", "bring the store back; do not restart this gateway before"),
    stays("revocations_unenforced", "there was no room for revocations of other gateways", "lift or let expire, and restart"),
    stays("revocations_went_back", "a database was put back: what was revoked since is not in it", "revoke again what `audit.jsonl` has since, delete `state_dir/revocations-seen`, restart"),
    passes("source_nonsense", "the authorization server gives answers that are none", "look at the server; `countersign check` shows what is wrong"),
    stays("source_refuses_us", "the authorization server refuses the gateway itself", "look at `client_id` and its secret; `countersign check` asks anew"),
    passes("source_unavailable", "the authorization server gives no answer", "look at the server and the way to it"),
    passes("store_conflict", "other gateways were quicker, again and again", "nothing"),
    stays("store_damaged", "the log of revocations is damaged", "restore a backup of the store"),
    stays("store_database", "the database cannot be used: full disk, missing permission, damaged file", "make room or restore a backup"),
    passes("store_empty", "the store holds no log of revocations, but did before: it is put back from memory", "find out who emptied it"),
    stays("store_file", "a file or folder cannot be made or read", "look at its permissions and the disk"),
    stays("store_in_use", "another gateway runs on this `state_dir`", "end it, or choose another `state_dir`"),
    stays("store_open_to_others", "a file or folder is open to other users", "`chmod` it as the message says"),
    stays("store_overfull", "more is revoked than there is room for", "lift, or let expire"),
    stays("store_schema", "the database was written by a newer release", "use that release"),
    passes("store_unavailable", "the shared store cannot be reached or refuses us", "look at the store and the way to it; of a refusal, `store.username` and `store.password_file`"),
    stays("store_unsealed", "a record could not be sealed", "restart"),
    passes("store_went_back", "the shared log of revocations was another than before: it was put back from memory", "nothing; lift again what was lifted meanwhile"),
];

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs, path::Path};

    use super::FAULTS;
    use crate::error::Refusal;

    /// Texts in quotes in the product's source that begin like a code.
    fn codes_in(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            // The table itself, names of metrics, and what is no part of the product.
            if ["faults.rs", "exposition.rs", "tests.rs", "tests", "simulation"].contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                codes_in(&path, found);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let product = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            let is_code = |text: &&str| {
                let begins = ["answers_", "guard_", "keyring_", "revocation_", "revocations_", "store_"];
                begins.iter().any(|prefix| text.starts_with(prefix))
                    && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            };
            found.extend(product.split('"').skip(1).step_by(2).filter(is_code).map(ToOwned::to_owned));
        }
    }

    #[test]
    fn every_code_in_the_source_has_a_row_and_every_row_a_code() {
        let mut found = BTreeSet::new();
        codes_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(found.len() > 30, "{found:?}");
        found.retain(|code| !Refusal::ALL.iter().any(|refusal| refusal.code() == code));
        let rows: BTreeSet<String> = FAULTS.iter().map(|fault| fault.code.to_owned()).collect();
        let missing: Vec<_> = found.difference(&rows).collect();
        assert!(missing.is_empty(), "no row in FAULTS: {missing:?}");
        let elsewhere = ["metadata", "source_nonsense", "source_refuses_us", "source_unavailable"];
        let unknown: Vec<_> =
            rows.difference(&found).filter(|code| !elsewhere.contains(&code.as_str())).collect();
        assert!(unknown.is_empty(), "nothing has this code: {unknown:?}");
        assert!(FAULTS.is_sorted_by_key(|fault| fault.code) && rows.len() == FAULTS.len());
    }
}
