//! The table of keys, the parser, the generated pages and the examples say the same.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use toml::{Table, Value, de::DeTable};

use super::{FOUR, FakeEnvironment, THIRTEEN_LINES, read};
use crate::config::{
    Absent, ConfigErrorCode as Code, KEYS, Key, Kind, Reader, keys, read as readers, reference, schema,
};

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs")
}

/// Name and text of every example.
pub(in crate::config::tests) fn examples() -> Vec<(String, String)> {
    let mut examples: Vec<(String, String)> = fs::read_dir(docs().join("examples"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap()))
        .collect();
    examples.sort();
    assert!(examples.len() >= 6);
    examples
}

#[test]
fn every_example_is_accepted() {
    for (name, text) in examples() {
        if let Err(errors) = read(&text) {
            panic!("{name}\n{errors}");
        }
    }
}

#[test]
fn the_readme_shows_the_thirteen_lines() {
    let readme = fs::read_to_string(docs().join("../README.md")).unwrap();
    assert!(readme.contains(&format!("```toml\n{THIRTEEN_LINES}```\n")));
}

#[test]
fn the_examples_show_every_key() {
    let mut unseen: BTreeSet<&str> = KEYS.iter().map(|key| key.path).collect();
    for (_, text) in examples() {
        let document: Table = text.parse().unwrap();
        visit(&document, "", &mut |path| {
            unseen.remove(path);
        });
    }
    assert_eq!(unseen, BTreeSet::new());
}

fn visit(table: &Table, path: &str, seen: &mut dyn FnMut(&str)) {
    for (name, value) in table {
        let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        seen(&inner);
        match value {
            Value::Table(table) => visit(table, &inner, seen),
            Value::Array(items) => {
                items
                    .iter()
                    .filter_map(Value::as_table)
                    .for_each(|table| visit(table, &format!("{inner}[]"), seen));
            }
            _ => {}
        }
    }
}

#[test]
fn the_parser_reads_every_key_of_the_table_and_no_other() {
    let environment = FakeEnvironment::usual();
    let mut asked = BTreeSet::new();
    for (_, text) in examples() {
        let document = DeTable::parse(&text).unwrap();
        let mut reader = Reader::new(&text, &environment, Path::new("/etc/countersign"));
        assert!(readers::config(&mut reader, &document, FOUR).is_some());
        asked.extend(reader.asked);
    }
    let keys: BTreeSet<String> = KEYS.iter().map(|key| key.path.to_owned()).collect();
    assert_eq!(asked, keys);
}

#[test]
fn a_key_that_is_not_in_the_table_is_refused_in_every_table_of_every_example() {
    let mut refused = 0;
    for (name, text) in examples() {
        let document: Table = text.parse().unwrap();
        let mut tables = 0;
        let _ = mutated(&document, &mut tables, usize::MAX);
        for index in 0..tables {
            let text = toml::to_string(&mutated(&document, &mut 0, index)).unwrap();
            let errors = read(&text).map(|_| ()).expect_err(&text);
            let [error] = errors.errors.as_slice() else { panic!("{name} {index}: {errors}") };
            assert_eq!(error.code, Code::UnknownKey);
            assert!(error.key.ends_with("no_such_key"));
            refused += 1;
        }
    }
    assert!(refused > 30, "{refused}");
}

/// A copy with an unknown key in the table of this index.
fn mutated(table: &Table, seen: &mut usize, index: usize) -> Table {
    let here = *seen == index;
    *seen += 1;
    let mut copy = Table::new();
    for (name, value) in table {
        let value = match value {
            Value::Table(table) => Value::Table(mutated(table, seen, index)),
            Value::Array(items) => Value::Array(
                items
                    .iter()
                    .map(|item| match item {
                        Value::Table(table) => Value::Table(mutated(table, seen, index)),
                        other => other.clone(),
                    })
                    .collect(),
            ),
            other => other.clone(),
        };
        copy.insert(name.clone(), value);
    }
    if here {
        copy.insert("no_such_key".to_owned(), Value::Boolean(true));
    }
    copy
}

#[test]
fn every_stated_default_is_what_holds_without_the_key() {
    let usual = |path: &str| format!("{:?}", read(&base_of(path).to_string()).unwrap());
    let mut compared = 0;
    for key in KEYS {
        let Absent::Default(default) = key.absent else { continue };
        // They have no effect, and so no place, without another key.
        if key.path.starts_with("session.no")
            || key.path.starts_with("browser.")
            || key.path.starts_with("backchannel_logout.")
            || key.path == "session.whoami_method"
        {
            continue;
        }
        let mut document = base_of(key.path);
        let value: Table = format!("value = {default}").parse().unwrap();
        insert(&mut document, key.path, value["value"].clone());
        let text = toml::to_string(&document).unwrap();
        let config = read(&text).unwrap_or_else(|errors| panic!("{errors}"));
        assert_eq!(format!("{config:?}"), usual(key.path), "{}", key.path);
        compared += 1;
    }
    assert!(compared > 40, "{compared}");
}

/// The thirteen lines, and what a key of this table needs beside it.
fn base_of(path: &str) -> Table {
    let mut document: Table = THIRTEEN_LINES.parse().unwrap();
    if path.starts_with("store.") {
        insert(&mut document, "encryption_key_file", Value::String("/run/secrets/kek".to_owned()));
        insert(&mut document, "store.url", Value::String("valkey://127.0.0.1".to_owned()));
    }
    if path.starts_with("client[].") || path.starts_with("backchannel_logout.") {
        insert(&mut document, "internal_listen", Value::String("127.0.0.1:8082".to_owned()));
    }
    if path.starts_with("client[].") {
        let client: Table =
            "id = \"orders\"\nsecret_file = \"/run/secrets/orders\"\naudience = \"orders\"".parse().unwrap();
        insert(&mut document, "client", Value::Array(vec![Value::Table(client)]));
    }
    if path.starts_with("guard.") {
        let guard = "issuer = \"https://sso.example\"\nrevocations = \"https://gateway.internal\"\n\
                     client_id = \"orders\"\nclient_secret_file = \"/run/secrets/orders\"";
        insert(&mut document, "guard", Value::Table(guard.parse().unwrap()));
    }
    if path.starts_with("backchannel_logout.") {
        let issuer = Value::String("https://sso.example".to_owned());
        insert(&mut document, "backchannel_logout.issuer", issuer);
    }
    document
}

/// Puts a value at a path of the table of keys; into the first table of an array of tables.
fn insert(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((first, rest)) => match first.strip_suffix("[]") {
            Some(name) => insert(table[name][0].as_table_mut().unwrap(), rest, value),
            None => {
                let inner = table.entry(first).or_insert_with(|| Value::Table(Table::new()));
                insert(inner.as_table_mut().unwrap(), rest, value);
            }
        },
    }
}

#[test]
fn every_bound_is_enforced_where_it_is_stated() {
    for key in KEYS {
        let (inside, outside) = match key.kind {
            Kind::Count { min, max } => (vec![min, max], [min.checked_sub(1), max.checked_add(1)]),
            _ => continue,
        };
        let judge = |number: u64| {
            let mut document = base_of(key.path);
            insert(&mut document, key.path, Value::Integer(number.try_into().unwrap()));
            read(&toml::to_string(&document).unwrap()).is_ok()
        };
        assert!(inside.into_iter().all(judge), "{}", key.path);
        assert!(!outside.into_iter().flatten().any(judge), "{}", key.path);
    }
    for key in KEYS {
        let (Kind::Duration { min, max } | Kind::Size { min, max }) = key.kind else { continue };
        // `recheck` may not be longer than `max_age`: the least of one needs the least of the other.
        let judge = |text: &str| {
            let mut document = base_of(key.path);
            insert(&mut document, "session.recheck", Value::String("1s".to_owned()));
            insert(&mut document, key.path, Value::String(text.to_owned()));
            read(&toml::to_string(&document).unwrap()).is_ok()
        };
        assert!(judge(min) && judge(max), "{}", key.path);
        let unit = if matches!(key.kind, Kind::Duration { .. }) { "ms" } else { "B" };
        let least = if unit == "ms" {
            crate::config::value::duration(min).unwrap().as_millis()
        } else {
            u128::from(crate::config::value::size(min).unwrap())
        };
        let most = if unit == "ms" {
            crate::config::value::duration(max).unwrap().as_millis()
        } else {
            u128::from(crate::config::value::size(max).unwrap())
        };
        assert!(!judge(&format!("{}{unit}", most + 1)), "{}", key.path);
        assert!(least == 0 || !judge(&format!("{}{unit}", least - 1)), "{}", key.path);
    }
}

#[test]
fn every_row_is_in_order_and_says_something() {
    let mut seen = BTreeSet::new();
    for key in KEYS {
        assert!(seen.insert(key.path), "{} stands twice", key.path);
        if let Some((table, _)) = key.path.rsplit_once('.') {
            let row = keys::find(table.trim_end_matches("[]")).expect(key.path);
            assert!(
                matches!(row.kind, Kind::Table | Kind::Tables) && seen.contains(row.path),
                "{}",
                key.path
            );
        }
        assert!(key.meaning.ends_with('.') && key.meaning.len() < 400, "{}", key.path);
        assert_eq!(keys::name_of(key.path).starts_with("insecure_"), is_insecure(key), "{}", key.path);
    }
}

/// What an `insecure_…` key is: a flag that is off.
fn is_insecure(key: &Key) -> bool {
    key.kind == Kind::Flag && key.absent == Absent::Default("false") && key.path.contains("insecure_")
}

fn committed(name: &str, made: &str) {
    let path = docs().join("reference").join(name);
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, made).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == made, "{} is old: run the tests with UPDATE_REFERENCE=1", path.display());
}

#[test]
fn the_reference_page_is_the_one_of_the_table() {
    committed("configuration.md", &reference::markdown());
}

#[test]
fn the_schema_is_the_one_of_the_table() {
    committed("countersign.schema.json", &schema::json());
}
