//! Defects that other gateways had, each with the test that fails when it is here.
//!
//! | defect | test |
//! |---|---|
//! | the life of one thing is applied to another | `lives::two_upstreams_have_two_times_whichever_is_written_last`, `lives::each_gateway_asks_and_signs_by_its_own_times`, `session::tests::defects::the_end_of_one_session_is_not_the_end_of_another` |
//! | a time-out in the wrong unit: a hanging server is waited for during days | `session::tests::defects::a_hanging_server_is_waited_for_as_long_as_configured_and_no_longer`, `lookups::a_hanging_server_is_waited_for_as_long_as_the_configuration_says` |
//! | a token is served from memory after its key is gone | `session::cache::tests::a_token_is_not_served_once_its_key_ring_changed` |
//! | the `kid` names one key, the signature is another's | `keyring::signing::every_token_verifies_with_the_published_key_of_its_kid_through_changes_of_algorithm` |
//! | every replica has its own key | `keyring::first_start::replicas_that_start_at_once_have_one_ring` |
//! | an answer is used for a request that would have been asked differently | `session::key::tests::two_different_inputs_never_share_a_key`, `lookups::an_identity_is_never_used_for_another_credential` |
//! | `sub` changes when `iat` does | `session::tests::defects::the_subject_is_the_same_when_the_server_issues_anew` |
//! | the store or the server fails, and the cookie is deleted | `lookups::no_fault_of_the_server_is_a_401_or_touches_a_cookie` |
//! | the store fails, and a log-out deletes a cookie that is not the gateway's | `browser::log_out::a_log_out_that_cannot_be_written_is_not_acknowledged_and_holds_all_the_same` |
//! | 5xx becomes 401 | `lookups::no_fault_of_the_server_is_a_401_or_touches_a_cookie` |
//! | a request without a session carries the client's own `Authorization` on | `lookups::a_bearer_token_of_the_clients_own_reaches_no_service` |
//! | large tokens are cut or over-read; more than twenty fields are | `lookups::credentials_and_headers_of_every_size_are_read_whole_or_refused` |
//! | the lock of a refresh is shorter than the refresh | `session::tests::defects::a_refresh_that_takes_ten_seconds_is_one_refresh` |
//! | the client that leaves takes the shared look-up along | `session::tests::defects::the_first_of_a_hundred_leaves_and_the_others_are_served_by_one_call` |
//! | those who wait retry one after the other | `session::tests::defects::a_hundred_who_wait_for_a_hanging_server_are_told_within_one_time_out` |
//! | of two cookies of a name one reader takes the first, the other the last | `lookups::two_session_cookies_are_refused_and_never_remembered` |
//! | every proxy is trusted by default | `spoofing::requests::g04_the_way_of_a_request_is_not_the_clients_to_tell` |
//! | an identity header passes under an alias | `spoofing::requests::g02_no_spelling_of_an_identity_header_arrives` |

mod connections;
mod flood;
mod lives;
mod lookups;
mod table;
