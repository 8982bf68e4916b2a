//! Makes an object for each organisation, and removes what was made.

use std::{collections::BTreeMap, sync::PoisonError};

use http::HeaderMap;
use serde_json::Value;

use super::engine::{Engine, MAX_MADE, Made};
use crate::{
    Report,
    client::Answer,
    plan::{Credential, Placement, Which, Whose},
};

impl Engine {
    /// One object of each kind for each organisation; what cannot be made is missing later, and said there.
    pub(super) async fn make_objects(&self) {
        for which in [Which::A, Which::B] {
            if let Some(organisation) = self.ground().organisation(which) {
                let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
                for (kind, id) in &organisation.objects {
                    objects.insert((kind.clone(), which), id.clone());
                }
            }
            // An object may need another one: as many rounds as there are kinds.
            for _ in 0..self.options.settings.objects.len() {
                for kind in self.options.settings.objects.keys() {
                    if self.object(kind, which).is_none() {
                        self.make(kind, which).await;
                    }
                }
            }
        }
    }

    /// Makes one, which from now on is the organisation's.
    pub(super) async fn make(&self, kind: &str, which: Which) -> Option<Answer> {
        let (call, object) = {
            let ground = self.ground();
            let object = self.options.settings.objects.get(kind)?;
            let operation = ground.named(&object.create)?;
            (
                ground.call(operation, ground.allowed(operation, which), Credential::Good(Placement::Bearer)),
                object,
            )
        };
        let request = self.resolve(&call, None).ok()?;
        let answer = self.client.send(&request).await.ok()?;
        if answer.is_success()
            && let Some(id) = id_in(&object.id, &answer.headers, &answer.body)
        {
            self.objects
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert((kind.to_owned(), which), id.clone());
            self.remember(kind, which, id);
        }
        Some(answer)
    }

    pub(super) fn remember(&self, kind: &str, which: Which, id: String) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.len() < MAX_MADE {
            made.push(Made { kind: kind.to_owned(), which, id });
        }
    }

    /// The id in the answer of a request that made an object of that kind.
    pub(super) fn created_id(&self, kind: &str, answer: &Answer) -> Option<String> {
        let object = self.options.settings.objects.get(kind)?;
        id_in(&object.id, &answer.headers, &answer.body)
    }

    /// Removes everything that was made, the last first.
    pub(super) async fn remove_objects(&self, report: &mut Report) {
        let made = std::mem::take(&mut *self.made.lock().unwrap_or_else(PoisonError::into_inner));
        let (mut left, mut undeletable) = (0_usize, BTreeMap::new());
        for object in made.into_iter().rev() {
            let call = {
                let ground = self.ground();
                let Some(remove) = ground.on_object("DELETE", &object.kind) else {
                    *undeletable.entry(object.kind).or_insert(0_usize) += 1;
                    continue;
                };
                let mut call = ground.call(
                    remove,
                    ground.allowed(remove, object.which),
                    Credential::Good(Placement::Bearer),
                );
                call.whose = Whose::Created;
                call
            };
            if let Ok(request) = self.resolve(&call, Some(&object.id)) {
                let gone = self
                    .client
                    .send(&request)
                    .await
                    .is_ok_and(|answer| answer.is_success() || answer.status == 404);
                left += usize::from(!gone);
            }
        }
        for (kind, count) in undeletable {
            report.notes.push(format!(
                "{count} objects of the kind `{kind}` that the audit made are still there: no DELETE of them is known"
            ));
        }
        if left > 0 {
            report.notes.push(format!("{left} objects that the audit made could not be removed"));
        }
    }
}

/// `$.data.id`, or `header:location` for the last segment of that field.
fn id_in(place: &str, headers: &HeaderMap, body: &[u8]) -> Option<String> {
    if let Some(name) = place.strip_prefix("header:") {
        let value = headers.get(name)?.to_str().ok()?;
        return value.trim_end_matches('/').rsplit('/').next().map(str::to_owned);
    }
    let mut value: &Value = &serde_json::from_slice(body).ok()?;
    for name in place.trim_start_matches('$').split('.').filter(|name| !name.is_empty()) {
        value = value.get(name)?;
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
