//! The listener's certificate, read again when its files change.

use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::config::resolved::TlsFiles;

/// How often the files are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Certificate and key in use, and where they come from.
#[derive(Debug)]
pub struct Certificates {
    files: TlsFiles,
    current: ArcSwap<ServerConfig>,
    seen: Mutex<Option<Stamp>>,
}

/// Why certificate and key cannot be used. Never holds a byte of the key.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A file cannot be read.
    #[error("`{0}`: {1}")]
    Read(String, io::ErrorKind),
    /// The certificate file holds no certificate.
    #[error("`{0}`: no PEM certificate in it")]
    NoCertificate(String),
    /// The key file holds no private key.
    #[error("`{0}`: no PEM private key in it")]
    NoKey(String),
    /// Key and certificate do not belong together, or are of a kind that cannot be used.
    #[error("certificate and key cannot be used: {0}")]
    Unusable(rustls::Error),
}

/// Tells one state of the two files from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp([(Option<SystemTime>, u64, u64); 2]);

impl Certificates {
    /// Reads both files.
    ///
    /// # Errors
    /// [`CertificateError`] says which file, and what is wrong with it.
    pub fn load(files: &TlsFiles) -> Result<Self, CertificateError> {
        let seen = Stamp::of(files);
        let current = ArcSwap::from(read(files)?);
        Ok(Self { files: files.clone(), current, seen: Mutex::new(Some(seen)) })
    }

    /// What the next handshake uses.
    #[must_use]
    pub fn current(&self) -> Arc<ServerConfig> {
        self.current.load_full()
    }

    /// Reads the files again if they are not what they were at the last look; true if the certificate changed.
    /// Open connections keep theirs.
    ///
    /// # Errors
    /// The old certificate stays in use when the new files cannot be used. Told once for each state of the files.
    pub fn refresh(&self) -> Result<bool, CertificateError> {
        let stamp = Stamp::of(&self.files);
        {
            let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
            if seen.as_ref() == Some(&stamp) {
                return Ok(false);
            }
            *seen = Some(stamp);
        }
        self.current.store(read(&self.files)?);
        Ok(true)
    }
}

impl Stamp {
    fn of(files: &TlsFiles) -> Self {
        Self([&files.certificate_file, &files.key_file].map(|path| {
            fs::metadata(path).map_or((None, 0, 0), |meta| (meta.modified().ok(), meta.len(), meta.ino()))
        }))
    }
}

fn read(files: &TlsFiles) -> Result<Arc<ServerConfig>, CertificateError> {
    let name = |path: &Path| path.display().to_string();
    let certificate_file = files.certificate_file.as_path();
    let pem = bytes_of(certificate_file)?;
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NoCertificate(name(certificate_file)))?;
    if chain.is_empty() {
        return Err(CertificateError::NoCertificate(name(certificate_file)));
    }
    let key_pem = zeroize::Zeroizing::new(bytes_of(&files.key_file)?);
    let key = PrivateKeyDer::from_pem_slice(&key_pem)
        .map_err(|_| CertificateError::NoKey(name(&files.key_file)))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(CertificateError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

fn bytes_of(path: &Path) -> Result<Vec<u8>, CertificateError> {
    fs::read(path).map_err(|error| CertificateError::Read(path.display().to_string(), error.kind()))
}
