//! Problem details (RFC 9457).

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::Request,
    http::{HeaderValue, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::{
    IntoResponses, ToSchema,
    openapi::{Content, Ref, RefOr, ResponseBuilder, response::Response as Described},
};

use crate::refusal::{ErrorName, Refusal};

/// Longest `detail` and longest `field`, in characters. Both may quote a request of 1 MiB.
const DETAIL_LEN_MAX: usize = 512;
const FIELD_LEN_MAX: usize = 256;

/// A refusal as a response.
#[derive(Debug)]
pub struct Problem(pub Refusal);

/// Body of an error, `application/problem+json`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProblemBody {
    /// `urn:if-escalate:error:` and the error's name in lower case.
    pub r#type: String,
    /// The same for every occurrence.
    pub title: &'static str,
    /// HTTP status.
    pub status: u16,
    /// The fault of this request.
    pub detail: String,
    /// Error name of the interface contract.
    pub code: ErrorName,
    /// Path of the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Gate that rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gate: Option<&'static str>,
}

/// The statuses with a problem document, as an operation describes them; 0 is none.
pub(crate) struct Refusals<
    const A: u16,
    const B: u16 = 0,
    const C: u16 = 0,
    const D: u16 = 0,
    const E: u16 = 0,
    const F: u16 = 0,
>;

impl<const A: u16, const B: u16, const C: u16, const D: u16, const E: u16, const F: u16>
    IntoResponses for Refusals<A, B, C, D, E, F>
{
    fn responses() -> BTreeMap<String, RefOr<Described>> {
        let body = Content::new(Some(Ref::from_schema_name("ProblemBody")));
        let problem = ResponseBuilder::new().content("application/json", body);
        let problem = RefOr::T(problem.build());
        let statuses = [A, B, C, D, E, F].into_iter().filter(|status| *status != 0);
        statuses
            .map(|status| (status.to_string(), problem.clone()))
            .collect()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Problem {
        Problem(refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Refusal {
            name,
            detail,
            field,
            gate,
            retry_after_s,
        } = self.0;
        let code = name.as_str().to_lowercase().replace('_', "-");
        let body = ProblemBody {
            r#type: format!("urn:if-escalate:error:{code}"),
            title: name.title(),
            status: name.status(),
            detail: cut(detail, DETAIL_LEN_MAX),
            code: name,
            field: field.map(|field| cut(field, FIELD_LEN_MAX)),
            gate,
        };
        let status =
            StatusCode::from_u16(name.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

fn cut(text: String, chars_max: usize) -> String {
    match text.char_indices().nth(chars_max) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// Adds a problem document to an error of the layers below: a body over the limit, an unknown
/// method, a path that is not UTF-8, a time-out. An error with a JSON body keeps it.
pub(crate) async fn everywhere(request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let name = match response.status() {
        StatusCode::BAD_REQUEST => ErrorName::InvalidRequest,
        StatusCode::NOT_FOUND => ErrorName::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => ErrorName::MethodNotAllowed,
        StatusCode::PAYLOAD_TOO_LARGE => ErrorName::TooLarge,
        StatusCode::GATEWAY_TIMEOUT => ErrorName::Timeout,
        _ => return response,
    };
    let kind = response.headers().get(header::CONTENT_TYPE);
    if kind.is_some_and(|kind| kind.as_bytes().ends_with(b"json")) {
        return response;
    }
    let allow = response.headers().get(header::ALLOW).cloned();
    let mut problem = Problem(Refusal::new(name, name.title())).into_response();
    if let Some(allow) = allow {
        problem.headers_mut().insert(header::ALLOW, allow);
    }
    problem
}
