//! Whose certificates are taken for a server's.

use crate::provider::provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use std::borrow::Cow;
use std::sync::{Arc, LazyLock};

/// Where trusted root certificates come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// The machine's own. Without any, no server is trusted.
    System,
    /// These, in PEM, and no others.
    Pem(Cow<'static, [u8]>),
}

/// Why certificates are not taken.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("it is not PEM: {0}")]
    Pem(#[from] rustls::pki_types::pem::Error),
    #[error("a certificate in it is none: {0}")]
    Certificate(#[from] rustls::Error),
    #[error("there is no certificate in it")]
    Nothing,
}

/// Read once for all clients: there are some 150.
static SYSTEM: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let mut store = RootCertStore::empty();
    // Some machines keep certificates that nobody can read; those are nobody's roots.
    let (_taken, _ignored) = store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    Arc::new(store)
});

impl Roots {
    /// TLS 1.2 or 1.3 with a server that they vouch for.
    pub(crate) fn tls(&self) -> Result<ClientConfig, CertificateError> {
        let config = ClientConfig::builder_with_provider(Arc::new(provider()))
            .with_safe_default_protocol_versions()?;
        Ok(config.with_root_certificates(self.store()?).with_no_client_auth())
    }

    fn store(&self) -> Result<Arc<RootCertStore>, CertificateError> {
        let Self::Pem(pem) = self else {
            return Ok(SYSTEM.clone());
        };
        let mut store = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            store.add(certificate?)?;
        }
        if store.is_empty() { Err(CertificateError::Nothing) } else { Ok(Arc::new(store)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(pem: &'static [u8]) -> String {
        Roots::Pem(pem.into()).tls().unwrap_err().to_string()
    }

    #[test]
    fn what_holds_no_certificate_is_refused() {
        assert_eq!(refusal(b""), "there is no certificate in it");
        assert_eq!(refusal(b"no certificate"), "there is no certificate in it");
        let cut = refusal(b"-----BEGIN CERTIFICATE-----\nAAAA\n");
        assert!(cut.starts_with("it is not PEM"), "{cut}");
        let garbage = refusal(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
        assert!(garbage.starts_with("a certificate in it is none"), "{garbage}");
    }

    #[test]
    fn a_machine_may_have_no_roots() {
        Roots::System.tls().unwrap();
    }
}
