//! What is printed when the demo runs.

use crate::{PASSWORD, PEOPLE, RunningDemo};

pub(crate) fn text(demo: &RunningDemo) -> String {
    let gateway = demo.gateway_url();
    let people: Vec<String> = PEOPLE
        .iter()
        .map(|person| {
            format!("{} ({}, {})", person.username, person.organisation, person.roles.join(" and "))
        })
        .collect();
    let (people, jar) = (people.join(", "), demo.folder().join("cookies").display().to_string());
    let (old, orders, notes) = (demo.old_server_url(), demo.orders_url(), demo.notes_url());
    let config = demo.folder().join("gateway.toml").display().to_string();
    format!(
        "\
Open {gateway}/

  people    {people}; password {PASSWORD}
  gateway   {gateway}, configured by {config}
  behind    old server {old}, orders {orders}, notes {notes}

Or without a browser: log in at the old server, read as Ann, see what the service received.

  curl -c {jar} -d username=ann -d password={PASSWORD} {gateway}/login
  curl -b {jar} {gateway}/orders/
  curl -b {jar} {gateway}/orders/received
"
    )
}
