//! The built binary in front of programs that others wrote: a certified OpenID provider, Django, nginx, and
//! verifiers in two other languages. `./test` installs them.

#[cfg(test)]
mod client;
#[cfg(test)]
mod counterpart;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod local_server;
#[cfg(test)]
mod process;

#[cfg(test)]
mod counterparts_themselves;
