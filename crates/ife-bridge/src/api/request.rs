//! Request bodies, with errors that name the field.

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, Query, Request, rejection::BytesRejection},
    http::{StatusCode, request::Parts},
};
use serde::de::DeserializeOwned;

use super::Problem;
use crate::refusal::{ErrorName, Refusal, named_field};

/// A JSON body of the expected shape.
pub(super) struct Body<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Problem> {
        let Raw(bytes) = Raw::from_request(request, state).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let value = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let words = error.inner().to_string();
            // For a syntax error there is no path, or none to be repeated.
            let path = Some(error.path().to_string()).filter(|path| path != "." && path != "?");
            let field = match (path, named_field(&words)) {
                // The path of a member that is there ends with it.
                (Some(path), Some(name)) if words.starts_with("missing") => {
                    Some(format!("{path}.{name}"))
                }
                (path, name) => path.or(name.map(str::to_owned)),
            };
            Refusal {
                field,
                ..Refusal::new(ErrorName::InvalidRequest, without_type(&words))
            }
        })?;
        json.end()
            .map_err(|error| Refusal::new(ErrorName::InvalidRequest, error.to_string()))?;
        Ok(Body(value))
    }
}

/// A client knows of a type only that it is an object.
fn without_type(words: &str) -> String {
    let Some((before, after)) = words.split_once("expected struct ") else {
        return words.to_owned();
    };
    let after = after.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_');
    format!("{before}expected an object{after}")
}

/// The body's bytes.
pub(super) struct Raw(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for Raw {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Raw, Problem> {
        let bytes = Bytes::from_request(request, state).await;
        Ok(Raw(bytes.map_err(|error: BytesRejection| {
            let is_long = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
            let name = if is_long {
                ErrorName::TooLarge
            } else {
                ErrorName::InvalidRequest
            };
            Refusal::new(name, error.body_text())
        })?))
    }
}

/// The query, of the expected shape.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Problem> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        let Query(asked) = query.map_err(|error| {
            let text = error.body_text();
            // `...: <path>: <fault>`, where there is a path.
            let mut parts = text.splitn(3, ": ").skip(1);
            let field = parts.next().filter(|_| parts.next().is_some());
            Refusal {
                field: field.map(str::to_owned),
                ..Refusal::new(ErrorName::InvalidRequest, text.clone())
            }
        })?;
        Ok(Asked(asked))
    }
}

/// A number in the path.
pub(crate) struct Number(pub(crate) u64);

impl<S: Send + Sync> FromRequestParts<S> for Number {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Number, Problem> {
        let path = Path::<u64>::from_request_parts(parts, state).await;
        let Path(number) = path.map_err(|error| invalid(error.body_text()))?;
        Ok(Number(number))
    }
}

fn invalid(why: String) -> Problem {
    Refusal::new(ErrorName::InvalidRequest, why).into()
}
