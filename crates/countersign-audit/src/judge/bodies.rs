//! What bodies say.

/// Texts that come from inside a program.
const INSIDE: &[(&str, &str)] = &[
    ("Traceback (most recent call last)", "a stack trace"),
    ("panicked at", "a panic"),
    ("\tat ", "a stack trace"),
    ("    at ", "a stack trace"),
    ("node_modules/", "a path of the program"),
    ("site-packages/", "a path of the program"),
    ("/.cargo/registry/", "a path of the program"),
    ("-----BEGIN ", "a key"),
    ("SELECT ", "a statement of the database"),
    ("INSERT INTO ", "a statement of the database"),
    ("SQLSTATE", "a message of the database"),
    ("SqliteFailure", "a message of the database"),
    ("java.lang.", "a name of the program"),
    ("System.NullReferenceException", "a name of the program"),
    ("ECONNREFUSED", "an address of the inside"),
];

/// Whether one of the texts stands in the body.
pub(crate) fn holds(body: &[u8], texts: &[String]) -> bool {
    let body = String::from_utf8_lossy(body);
    texts.iter().any(|text| !text.is_empty() && body.contains(text.as_str()))
}

/// What a refusal tells that only the inside knows.
pub(crate) fn tells_more(body: &[u8], inside: &[String]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(body);
    let listed = INSIDE.iter().find(|(told, _)| text.contains(*told)).map(|(_, what)| *what);
    listed.or_else(|| holds(body, inside).then_some("what the service compares tokens with"))
}

/// A body with members or items, or any text beyond a word.
pub(crate) fn is_data(body: &[u8]) -> bool {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(serde_json::Value::Array(items)) => !items.is_empty(),
        Ok(serde_json::Value::Object(members)) => !members.is_empty(),
        Ok(_) => false,
        Err(_) => body.len() > 256,
    }
}

/// Equal but for the ids that were asked for, and for what differs each time: long hexadecimal and digits.
pub(crate) fn same_shape(one: &[u8], other: &[u8], ids: &[String]) -> bool {
    normal(one, ids) == normal(other, ids)
}

fn normal(body: &[u8], ids: &[String]) -> String {
    let mut text = String::from_utf8_lossy(body).into_owned();
    for id in ids.iter().filter(|id| !id.is_empty()) {
        text = text.replace(id.as_str(), "\u{1}");
    }
    let mut result = String::with_capacity(text.len());
    for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
        let kernel = word.trim_end_matches(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let varies = (kernel.len() >= 16
            && kernel.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'))
            || (kernel.len() >= 9 && kernel.bytes().all(|byte| byte.is_ascii_digit()));
        result.push_str(if varies { "\u{2}" } else { word });
    }
    result
}
