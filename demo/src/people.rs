//! Who can log in.

/// One person of the old server's table of users.
#[derive(Debug)]
pub struct Person {
    /// What is typed into the form.
    pub username: &'static str,
    /// The subject: what the old server calls the person for good.
    pub subject: &'static str,
    /// Shown on the page.
    pub name: &'static str,
    /// E-mail address.
    pub email: &'static str,
    /// Which company's data the person works with.
    pub organisation: &'static str,
    /// What the person may do.
    pub roles: &'static [&'static str],
}

/// Everybody has the same password: it is a demo, and the page says so.
pub const PASSWORD: &str = "demo";

/// An editor in each of two organisations, a viewer, and a support user of neither.
pub const PEOPLE: &[Person] = &[
    Person {
        username: "ann",
        subject: "u-1001",
        name: "Ann",
        email: "ann@acme.example",
        organisation: "acme",
        roles: &["viewer", "editor"],
    },
    Person {
        username: "bob",
        subject: "u-1002",
        name: "Bob",
        email: "bob@globex.example",
        organisation: "globex",
        roles: &["viewer", "editor"],
    },
    Person {
        username: "cy",
        subject: "u-1003",
        name: "Cy",
        email: "cy@acme.example",
        organisation: "acme",
        roles: &["viewer"],
    },
    Person {
        username: "sue",
        subject: "u-1004",
        name: "Sue",
        email: "sue@helpdesk.example",
        organisation: "helpdesk",
        roles: &["support"],
    },
];

/// The person of that name, if the password is right.
pub(crate) fn log_in(username: &str, password: &str) -> Option<&'static Person> {
    if password != PASSWORD {
        return None;
    }
    PEOPLE.iter().find(|person| person.username == username)
}
