//! The listeners, the data workers and the end of both.
//!
//! 1. [`serve`] starts N data workers, each a thread with a runtime of its own, and one accept loop that hands each
//!    connection to the worker with the fewest. There is no `SO_REUSEPORT`: that would strand connections in the
//!    queue of a worker that is busy or ending.
//! 2. A connection speaks HTTP/1.1 or HTTP/2: by ALPN with TLS, by its first bytes in clear.
//! 3. All time-outs of an HTTP/1.1 connection and its request share one timer that is armed lazily.
//! 4. [`Running::drain`] ends it without losing an answer.

mod accept;
mod answer;
mod clients;
mod connection;
mod drain;
mod handler;
pub mod head_guard;
mod http1;
mod http2;
mod io;
mod listen;
mod outbound;
mod running;
mod tls;
mod upgrading;
mod watch;
mod worker;

pub use handler::{Connection, Handler, Worker};
pub(crate) use http1::RequestBody;
pub use http1::RequestReader;
pub use listen::{BACKLOG, activated, bind};
pub use outbound::Outbound;
pub use running::{Drained, Drainer, Running, Settings, serve};
pub use tls::{CertificateError, Certificates, LOOK_EVERY};
pub use upgrading::{ClientStream, Upgrading};
