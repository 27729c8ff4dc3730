//! TLS towards AMI: one authority, one name.

use std::sync::Arc;

use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
    },
};

use super::AmiError;
use crate::{
    config::AmiTls,
    plain_file::{self, FileError, KEY_LEN_MAX},
};

#[derive(Clone)]
pub(super) struct Connector {
    tls: TlsConnector,
    name: ServerName<'static>,
}

impl Connector {
    pub(super) async fn connect(&self, socket: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        self.tls.connect(self.name.clone(), socket).await
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Connector({:?})", self.name)
    }
}

pub(super) fn connector(config: &AmiTls) -> Result<Connector, AmiError> {
    let mut roots = RootCertStore::empty();
    let pem = plain_file::read(&config.ca, KEY_LEN_MAX)?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(FileError::at(&config.ca))?;
        roots.add(certificate).map_err(FileError::at(&config.ca))?;
    }
    if roots.is_empty() {
        return Err(FileError::at(&config.ca)("no certificate in it").into());
    }
    let name = ServerName::try_from(config.name.clone())
        .map_err(|_| AmiError::Tls(format!("{:?} is no host name", config.name)))?;
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Connector {
        tls: TlsConnector::from(Arc::new(tls)),
        name,
    })
}
