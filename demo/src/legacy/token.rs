//! Who the token says the caller is: the library's answer, unless a fault is on. Then what the library refuses is
//! looked at once more, by the check that the team once wrote itself, in which that fault is.

mod by_hand;

use std::{path::Path, sync::Arc};

use countersign::{TokenRefusal, Verifier};

use super::{Faults, Trust, keys::Keys, people::Caller};
use crate::DemoError;

/// Decides about tokens.
#[derive(Debug)]
pub(super) struct TokenCheck {
    verifier: Verifier,
    by_hand: by_hand::ByHand,
    keys: Arc<Keys>,
}

impl TokenCheck {
    /// `folder` is where the team used to keep its keys.
    pub(super) fn new(faults: Faults, trust: Trust, folder: &Path) -> Result<Self, DemoError> {
        let keys = Arc::new(Keys::new(trust.jwks.clone()));
        let verifier = Verifier::builder()
            .issuer(trust.issuer.clone())
            .audience(trust.audience.clone())
            .keys(Arc::clone(&keys.published))
            .clock(Arc::clone(&trust.clock))
            .build()?;
        let by_hand = by_hand::ByHand::new(faults, trust, Arc::clone(&keys), folder);
        Ok(Self { verifier, by_hand, keys })
    }

    /// The caller, or why there is none.
    pub(super) async fn caller(&self, token: &str) -> Result<Caller, TokenRefusal> {
        let mut verdict = self.verifier.verify(token);
        if let Err(TokenRefusal::KeyUnknown | TokenRefusal::KeysUnavailable) = verdict {
            self.keys.look_again().await;
            verdict = self.verifier.verify(token);
        }
        match verdict {
            Ok(claims) => Ok(Caller::of(&claims)),
            Err(refusal) => self.by_hand.caller(token, refusal).await.ok_or(refusal),
        }
    }
}
