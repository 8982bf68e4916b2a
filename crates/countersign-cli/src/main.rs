//! `countersign`: the gateway, its checks and its demo in one binary.
//!
//! Every command is thin: it reads its arguments, calls the library that does the work, and says what came out.
//! Exit codes: 0 good, 1 refused or failed, 2 the command line or the configuration is wrong; `audit` has more.

mod arguments;
#[cfg(feature = "audit")]
mod audit;
mod check;
mod configuration;
#[cfg(feature = "demo")]
mod demo;
mod exit;
mod explain;
mod fetch;
mod keys;
mod moment;
mod revoke;
mod rls;
mod run;
mod running;
mod screen;
mod token;

use clap::Parser as _;
use countersign_gateway::config::SystemEnvironment;

use crate::{
    arguments::{Arguments, Command},
    exit::Exit,
    screen::Screen,
};

/// Many small allocations on several threads: measured faster than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    // Fails only if one is installed already, and nothing did that before `main`.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let screen = Screen::detect(&SystemEnvironment);
    dispatch(arguments.command, &screen).into()
}

fn dispatch(command: Command, screen: &Screen) -> Exit {
    match command {
        #[cfg(feature = "audit")]
        Command::Audit(arguments) => audit::run(&arguments, screen),
        Command::Check(arguments) => check::run(&arguments, screen),
        Command::Config(arguments) => configuration::print(&arguments),
        #[cfg(feature = "demo")]
        Command::Demo(arguments) => demo::run(&arguments, screen),
        Command::Explain(arguments) => explain::run(&arguments, screen),
        Command::Keys(arguments) => keys::run(&arguments.what, screen),
        Command::Revoke(arguments) => revoke::run(&arguments, screen),
        Command::Rls(arguments) => rls::run(&arguments.what),
        Command::Reload(arguments) => running::reload(&arguments, screen),
        Command::Run(arguments) => run::run(&arguments, screen),
        Command::Status(arguments) => running::status(&arguments, screen),
        Command::Token(arguments) => token::run(&arguments, screen),
    }
}
