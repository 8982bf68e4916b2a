use std::collections::HashMap;

use proptest::prelude::*;

use super::{ISSUER, at, revocations, targets};
use crate::{
    Issuer, OrganisationId, Revocable, Revocations, SessionId, Standing, Subject, TokenId, UnixTime,
    revocation::{Event, Revocation, Revoked, TableFull, Target, What},
};

/// What a token says of itself.
#[derive(Debug, Clone)]
struct Token {
    issuer: Issuer,
    token: TokenId,
    session: Option<SessionId>,
    subject: Subject,
    organisation: Option<OrganisationId>,
    issued_at: UnixTime,
}

impl Token {
    fn standing(&self, table: &Revoked) -> Standing {
        table.standing(&Revocable {
            issuer: &self.issuer,
            token: &self.token,
            derived_from: &[],
            session: self.session.as_ref(),
            subject: &self.subject,
            organisation: self.organisation.as_ref(),
            issued_at: self.issued_at,
        })
    }
}

fn tokens() -> impl Strategy<Value = Token> {
    let id = || "[a-c]";
    (id(), id(), id(), id(), any::<[bool; 2]>(), 0..20_u64).prop_map(
        |(token, session, subject, organisation, [in_session, in_organisation], issued_at)| Token {
            issuer: ISSUER.into(),
            token: token.into(),
            session: in_session.then(|| session.into()),
            subject: subject.into(),
            organisation: OrganisationId::new(&organisation).ok().filter(|_| in_organisation),
            issued_at: at(issued_at),
        },
    )
}

#[derive(Debug, Clone)]
enum Step {
    Revoke(Revocation),
    Lift(Target),
    Forget(u64),
    Replace(Vec<Revocation>),
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => revocations().prop_map(Step::Revoke),
        2 => targets().prop_map(Step::Lift),
        1 => (0..40_u64).prop_map(Step::Forget),
        1 => prop::collection::vec(revocations(), 0..6).prop_map(Step::Replace),
    ]
}

/// The rules of the module, word for word.
#[derive(Default)]
struct Model(HashMap<Target, (UnixTime, UnixTime)>);

impl Model {
    fn revoke(&mut self, Revocation { target, at, expires }: Revocation) {
        let known = self.0.entry(target).or_insert((at, expires));
        *known = (known.0.max(at), known.1.max(expires));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Revoke(revocation) => self.revoke(revocation),
            Step::Lift(target) => drop(self.0.remove(&target)),
            Step::Forget(now) => self.0.retain(|_, (_, expires)| *expires > at(now)),
            Step::Replace(all) => {
                self.0.clear();
                all.into_iter().for_each(|revocation| self.revoke(revocation));
            }
        }
    }

    fn is_revoked(&self, token: &Token) -> bool {
        self.0.iter().any(|(target, (at, _))| match target {
            Target::All => token.issued_at <= *at,
            Target::IssuedTo(id) => token.session.as_ref() == Some(id) && token.issued_at <= *at,
            Target::Organisation(id) => token.organisation.as_ref() == Some(id) && token.issued_at <= *at,
            Target::Session(id) => token.session.as_ref() == Some(id),
            Target::Subject(id) => token.subject == *id && token.issued_at <= *at,
            Target::Token(id) => token.token == *id,
        })
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn the_table_says_what_the_rules_say(
        steps in prop::collection::vec(steps(), 0..20),
        tokens in prop::collection::vec(tokens(), 8),
    ) {
        let (table, mut model) = (Revoked::new(ISSUER), Model::default());
        for step in steps {
            model.step(step.clone());
            match step {
                Step::Revoke(revocation) => table.revoke(&revocation).unwrap(),
                Step::Lift(target) => drop(table.lift(&target)),
                Step::Forget(now) => table.forget_expired(at(now)),
                Step::Replace(all) => table.replace(all).unwrap(),
            }
            prop_assert_eq!(table.len(), model.0.len());
            for token in &tokens {
                prop_assert_eq!(token.standing(&table) == Standing::Revoked, model.is_revoked(token));
            }
        }
    }
}

fn session(id: &str) -> Revocation {
    Revocation { target: Target::Session(id.into()), at: at(10), expires: at(310) }
}

fn token() -> Token {
    Token {
        issuer: ISSUER.into(),
        token: "t".into(),
        session: Some("s".into()),
        subject: "ann".into(),
        organisation: None,
        issued_at: at(10),
    }
}

#[test]
fn another_issuers_tokens_are_none_of_its_business() {
    let table = Revoked::new(ISSUER);
    table.revoke(&session("s")).unwrap();
    assert_eq!(token().standing(&table), Standing::Revoked);
    let foreign = Token { issuer: "https://other.test".into(), ..token() };
    assert_eq!(foreign.standing(&table), Standing::Good);
}

#[test]
fn what_does_not_fit_is_an_error_and_changes_nothing() {
    let table = Revoked::with_max_entries(ISSUER, 2);
    table.replace([session("a"), session("s")]).unwrap();
    assert_eq!(table.revoke(&session("c")), Err(TableFull));
    assert_eq!(table.revoke(&session("s")), Ok(()), "it is there already");
    assert_eq!(table.replace([session("a"), session("b"), session("c")]), Err(TableFull));
    assert_eq!((table.len(), token().standing(&table)), (2, Standing::Revoked));
    assert!(table.lift(&Target::Session("a".into())));
    assert_eq!(table.revoke(&session("c")), Ok(()));
}

#[test]
fn events_change_the_table_and_heartbeats_do_not() {
    let table = Revoked::new(ISSUER);
    let apply = |what| table.apply(&Event { cursor: "e.1".parse().unwrap(), what });
    apply(What::Revoked(session("s"))).unwrap();
    apply(What::Heartbeat).unwrap();
    apply(What::KeysChanged).unwrap();
    assert_eq!(token().standing(&table), Standing::Revoked);
    apply(What::Lifted(Target::Session("s".into()))).unwrap();
    assert_eq!((token().standing(&table), table.is_empty()), (Standing::Good, true));
}

#[test]
fn while_it_is_replaced_nothing_that_stays_revoked_is_let_through() {
    let table = std::sync::Arc::new(Revoked::new(ISSUER));
    let snapshot = |round: u64| (0..200).map(move |n| session(&format!("{round}-{n}"))).chain([session("s")]);
    table.replace(snapshot(0)).unwrap();
    let writer = {
        let table = std::sync::Arc::clone(&table);
        std::thread::spawn(move || (1..50).for_each(|round| table.replace(snapshot(round)).unwrap()))
    };
    while !writer.is_finished() {
        assert_eq!(token().standing(&table), Standing::Revoked);
    }
    writer.join().unwrap();
    assert_eq!(table.len(), 201);
}

#[test]
fn several_tables_answer_as_one() {
    let tables = vec![std::sync::Arc::new(Revoked::new(ISSUER)), Revoked::new("https://other.test").into()];
    let asked = token();
    let revocable = Revocable {
        issuer: &asked.issuer,
        token: &asked.token,
        derived_from: &[],
        session: asked.session.as_ref(),
        subject: &asked.subject,
        organisation: None,
        issued_at: asked.issued_at,
    };
    assert_eq!(tables.standing(&revocable), Standing::Good);
    tables[0].revoke(&session("s")).unwrap();
    assert_eq!(tables.standing(&revocable), Standing::Revoked);
}

#[test]
fn a_token_stands_no_better_than_any_it_was_exchanged_for() {
    let table = Revoked::new(ISSUER);
    let asked = token();
    let from: [TokenId; 2] = ["parent".into(), "root".into()];
    let mut derived = Revocable::new(&asked.issuer, &asked.token, &asked.subject, asked.issued_at);
    derived.derived_from = &from;
    assert_eq!(table.standing(&derived), Standing::Good);
    for name in ["root", "parent"] {
        let target = Target::Token(name.into());
        table.revoke(&Revocation { target: target.clone(), at: at(0), expires: at(100) }).unwrap();
        assert_eq!(table.standing(&derived), Standing::Revoked, "{name}");
        table.lift(&target);
    }
    assert_eq!(table.standing(&derived), Standing::Good);
}
