//! The story, told through a stand-in for the gateway: one that does the job, and ones that fail at one thing each.

mod gateway;
mod stand_in;
mod story;
