//! Why there is no TLS with a service or the authorization server, in an operator's words.

use std::{error::Error, io};

use rustls::{AlertDescription, CertificateError};

/// Why a handshake failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// The certificate is for another name than the one that was configured.
    #[error("its certificate is for another name")]
    AnotherName,
    /// The other side ended the handshake.
    #[error("it refuses the handshake ({0:?})")]
    Alert(AlertDescription),
    /// The connection broke.
    #[error("the handshake broke: {0}")]
    Broken(io::ErrorKind),
    /// The certificate is not accepted for another reason than those that have a name here.
    #[error("its certificate is not accepted")]
    Certificate,
    /// The certificate is over.
    #[error("its certificate has expired")]
    Expired,
    /// There is no version or algorithm that both know.
    #[error("it speaks no version or algorithm of TLS that is spoken here")]
    Incompatible,
    /// Something else answers there, such as HTTP in clear.
    #[error("what answers there is not TLS")]
    NotTls,
    /// The certificate begins later, or the clock here is behind.
    #[error("its certificate is not valid yet")]
    NotValidYet,
    /// Any other fault.
    #[error("TLS failed")]
    Other,
    /// No root that is trusted here vouches for the certificate.
    #[error(
        "its certificate is of no authority that is trusted here; `SSL_CERT_FILE` can name a file with others"
    )]
    UnknownAuthority,
}

impl TlsFault {
    /// Of an error of the handshake, or of one that has it inside.
    #[must_use]
    pub fn of(error: &(dyn Error + 'static)) -> Option<Self> {
        if let Some(fault) = error.downcast_ref::<rustls::Error>() {
            return Some(Self::of_rustls(fault));
        }
        // An `io::Error` is not the source of what it wraps: what it wraps has to be asked for.
        error.downcast_ref::<io::Error>()?.get_ref().and_then(|inner| Self::of(inner))
    }

    /// Of what connecting gave, where TLS was the next step.
    #[must_use]
    pub fn of_io(error: &io::Error) -> Self {
        Self::of(error).unwrap_or_else(|| Self::Broken(error.kind()))
    }

    fn of_rustls(error: &rustls::Error) -> Self {
        match error {
            rustls::Error::AlertReceived(alert) => Self::Alert(*alert),
            rustls::Error::InvalidCertificate(reason) => Self::of_certificate(reason),
            rustls::Error::InvalidMessage(_) => Self::NotTls,
            rustls::Error::PeerIncompatible(_) => Self::Incompatible,
            _ => Self::Other,
        }
    }

    const fn of_certificate(reason: &CertificateError) -> Self {
        match reason {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotValidYet,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                Self::AnotherName
            }
            CertificateError::UnknownIssuer => Self::UnknownAuthority,
            _ => Self::Certificate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrapped(error: rustls::Error) -> io::Error {
        io::Error::new(io::ErrorKind::InvalidData, error)
    }

    #[test]
    fn the_cause_is_found_in_what_connecting_gives() {
        let certificate = |reason| wrapped(rustls::Error::InvalidCertificate(reason));
        for (error, fault) in [
            (certificate(CertificateError::UnknownIssuer), TlsFault::UnknownAuthority),
            (certificate(CertificateError::Expired), TlsFault::Expired),
            (certificate(CertificateError::NotValidYet), TlsFault::NotValidYet),
            (certificate(CertificateError::NotValidForName), TlsFault::AnotherName),
            (certificate(CertificateError::Revoked), TlsFault::Certificate),
            (
                wrapped(rustls::Error::AlertReceived(AlertDescription::CertificateRequired)),
                TlsFault::Alert(AlertDescription::CertificateRequired),
            ),
            (
                wrapped(rustls::Error::InvalidMessage(rustls::InvalidMessage::InvalidContentType)),
                TlsFault::NotTls,
            ),
            (wrapped(rustls::Error::EncryptError), TlsFault::Other),
            (
                io::Error::from(io::ErrorKind::ConnectionReset),
                TlsFault::Broken(io::ErrorKind::ConnectionReset),
            ),
        ] {
            assert_eq!(TlsFault::of_io(&error), fault, "{error}");
            // and where it is wrapped once more
            assert_eq!(
                TlsFault::of(&io::Error::other(error)),
                Some(fault).filter(|it| !matches!(it, TlsFault::Broken(_)))
            );
        }
    }
}
