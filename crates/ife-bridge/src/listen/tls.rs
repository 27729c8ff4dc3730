//! TLS of a listener, 1.2 or later, with client certificates where an authority for them is
//! configured.

use std::{path::Path, sync::Arc};

use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        server::WebPkiClientVerifier,
    },
};

use crate::{
    config::ServerTls,
    plain_file::{self, FileError, KEY_LEN_MAX},
};

pub(super) fn acceptor(files: &ServerTls) -> Result<TlsAcceptor, FileError> {
    let chain = certificates(&files.cert)?;
    let pem = plain_file::read(&files.key, KEY_LEN_MAX)?;
    let key = PrivateKeyDer::from_pem_slice(&pem).map_err(FileError::at(&files.key))?;
    let builder = ServerConfig::builder();
    let builder = match &files.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(FileError::at(path))?;
            }
            let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
            builder.with_client_cert_verifier(verifier.map_err(FileError::at(path))?)
        }
    };
    let mut config = builder
        .with_single_cert(chain, key)
        .map_err(FileError::at(&files.cert))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let pem = plain_file::read(path, KEY_LEN_MAX)?;
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let all = all.map_err(FileError::at(path))?;
    if all.is_empty() {
        return Err(FileError::at(path)("no certificate in it"));
    }
    Ok(all)
}
