//! The bearer token of a TCP listener (RFC 6750).

use std::{path::Path, sync::Arc};

use axum::{
    extract::Request,
    http::{HeaderValue, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ife_pages::operator;
use sha2::{Digest, Sha256};

use crate::{
    api::Problem,
    plain_file::{self, FileError, KEY_LEN_MAX},
    refusal::{ErrorName, Refusal},
};

const LEN_MIN: usize = 32;

/// Hash of the token: comparing hashes reveals nothing of how far a guess was right.
#[derive(Debug, Clone)]
pub(super) struct Token(Arc<[u8; 32]>);

impl Token {
    pub(super) fn read(path: &Path) -> Result<Token, FileError> {
        let text = plain_file::read_text(path, KEY_LEN_MAX)?;
        let token = text.trim_end();
        if token.len() < LEN_MIN || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            let why = format!("must hold a token of at least {LEN_MIN} visible characters");
            return Err(FileError::at(path)(why));
        }
        Ok(Token(Arc::new(hash(token.as_bytes()))))
    }

    /// Lets a request with the token through; liveness and the page's own files, which hold no
    /// data, are for everybody.
    pub(super) async fn check(&self, request: Request, next: Next) -> Response {
        let path = request.uri().path();
        if path == "/healthz"
            || operator::is_public(path)
            || self.fits(request.headers().get(header::AUTHORIZATION))
        {
            return next.run(request).await;
        }
        let challenge = [(header::WWW_AUTHENTICATE, "Bearer")];
        let refusal = Refusal::new(ErrorName::Unauthenticated, "a bearer token is needed");
        (challenge, Problem(refusal)).into_response()
    }

    fn fits(&self, given: Option<&HeaderValue>) -> bool {
        let given = given.map(HeaderValue::as_bytes).unwrap_or_default();
        match given.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case(b"bearer ") => {
                hash(token) == *self.0
            }
            _ => false,
        }
    }
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}
