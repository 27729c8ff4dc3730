//! The OpenAPI document and the router are one: every operation that it describes is there, and no
//! route is without a description.

mod common;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use http_body_util::BodyExt;
use serde_json::Value;
use tower::ServiceExt;

/// What design and contract promise.
const PROMISED: [(&str, &str); 30] = [
    ("post", "/v1/escalations"),
    ("post", "/v1/calls"),
    ("get", "/v1/calls"),
    ("get", "/v1/calls/{call_id}"),
    ("delete", "/v1/calls/{call_id}"),
    ("post", "/v1/calls/{call_id}/decisions"),
    ("post", "/v1/bridges"),
    ("post", "/v1/policy/external-call"),
    ("get", "/v1/rooms"),
    ("post", "/v1/rooms"),
    ("get", "/v1/rooms/{room}"),
    ("delete", "/v1/rooms/{room}"),
    ("put", "/v1/rooms/{room}/participants/{participant}/mute"),
    ("delete", "/v1/rooms/{room}/participants/{participant}"),
    ("post", "/v1/guardians/admissions"),
    ("post", "/v1/guardians/evidence"),
    ("get", "/v1/evidence/peers"),
    ("post", "/v1/evidence/peers/{call_id}/messages"),
    ("post", "/v1/evidence/messages"),
    ("get", "/v1/events"),
    ("get", "/v1/witness/checkpoint"),
    ("get", "/v1/witness/verdicts"),
    ("get", "/v1/witness/search"),
    ("get", "/v1/witness/story"),
    ("get", "/v1/witness/entries/{index}"),
    ("get", "/v1/witness/entries/{index}/proof"),
    ("get", "/healthz"),
    ("get", "/readyz"),
    ("get", "/metrics"),
    ("get", "/v1/openapi.json"),
];

async fn send(method: &str, path: &str, body: &str) -> (StatusCode, String, Value) {
    let request = Request::builder()
        .method(Method::from_bytes(method.to_uppercase().as_bytes()).expect("a method"))
        .uri(path)
        .body(Body::from(body.to_owned()))
        .expect("a request");
    let response = common::api().0.oneshot(request).await.expect("a response");
    let kind = response
        .headers()
        .get("content-type")
        .and_then(|kind| kind.to_str().ok());
    let (status, kind) = (response.status(), kind.unwrap_or_default().to_owned());
    if kind.starts_with("text/event-stream") {
        return (status, kind, Value::Null);
    }
    let bytes = response
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    (
        status,
        kind,
        serde_json::from_slice(&bytes).unwrap_or_default(),
    )
}

fn described() -> Vec<(String, String)> {
    let document = serde_json::to_value(common::api().1).expect("JSON");
    let paths = document["paths"].as_object().expect("paths").clone();
    let operations = paths.into_iter().flat_map(|(path, item)| {
        let methods: Vec<String> = item.as_object().expect("an item").keys().cloned().collect();
        methods
            .into_iter()
            .map(move |method| (method, path.clone()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_described_operation_is_routed_and_no_other() {
    let described = described();
    for (method, path) in &described {
        let path = path
            .replace("{call_id}", "c")
            .replace("{room}", "r")
            .replace("{participant}", "p");
        let (status, kind, body) = send(method, &path, "{}").await;
        let routed =
            status != StatusCode::METHOD_NOT_ALLOWED && body["detail"] != "no such resource";
        assert!(routed, "{method} {path}: {status} {body}");
        if status.is_client_error() || (status.is_server_error() && path != "/readyz") {
            assert_eq!(kind, "application/problem+json", "{method} {path}");
        }
    }
    let mut got: Vec<(&str, &str)> = described
        .iter()
        .map(|(method, path)| (method.as_str(), path.as_str()))
        .collect();
    // It describes the API and not itself.
    got.push(("get", "/v1/openapi.json"));
    let mut wanted = PROMISED.to_vec();
    got.sort_unstable();
    wanted.sort_unstable();
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn the_document_is_served_as_it_is() {
    let (status, _, served) = send("get", "/v1/openapi.json", "").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(served, serde_json::to_value(common::api().1).expect("JSON"));
}

#[tokio::test]
async fn refusals_are_described_by_documents_that_are_there() {
    let document = serde_json::to_value(common::api().1).expect("JSON");
    let described = &document["paths"]["/v1/escalations"]["post"]["responses"];
    let statuses: Vec<&String> = described.as_object().expect("responses").keys().collect();
    assert_eq!(
        statuses,
        ["201", "400", "401", "403", "404", "502", "503"],
        "{described}"
    );
    let text = document.to_string();
    let named = text.split("\"#/components/schemas/").skip(1);
    for name in named.filter_map(|rest| rest.split('"').next()) {
        let schema = &document["components"]["schemas"][name];
        assert!(schema.is_object(), "{name} is described");
    }
    let problem = "/responses/503/content/application~1json/schema/$ref";
    assert_eq!(
        document["paths"]["/v1/escalations"]["post"].pointer(problem),
        Some(&Value::from("#/components/schemas/ProblemBody"))
    );
}

#[tokio::test]
async fn problems_are_told_by_code_and_field() {
    let cases = [
        ("/v1/calls", "{", 400, "INVALID_REQUEST", None),
        (
            "/v1/calls",
            "{\"expert_id\":\"e\"}",
            400,
            "INVALID_REQUEST",
            Some("hazard_type"),
        ),
        (
            "/v1/calls",
            "{\"expert_id\":\"e\",\"hazard_type\":7}",
            400,
            "INVALID_REQUEST",
            Some("hazard_type"),
        ),
        (
            "/v1/calls",
            "{\"expert_id\":\"e\",\"hazard_type\":\"safety\"}",
            404,
            "EXPERT_NOT_FOUND",
            None,
        ),
        (
            "/v1/calls",
            "{\"expert_id\":\"e\",\"colour\":1}",
            400,
            "INVALID_REQUEST",
            Some("colour"),
        ),
        (
            "/v1/calls",
            "{\"evidence_files\":[\"a\",7]}",
            400,
            "INVALID_REQUEST",
            Some("evidence_files[1]"),
        ),
        ("/v1/nothing", "", 404, "NOT_FOUND", None),
        ("/healthz", "", 405, "METHOD_NOT_ALLOWED", None),
        ("/v1/escalations", "\"x\"", 400, "INVALID_REQUEST", None),
        ("/v1/escalations", "{}", 400, "INVALID_REQUEST", Some("id")),
        (
            "/v1/escalations?wait=foo",
            "{}",
            400,
            "INVALID_REQUEST",
            Some("wait"),
        ),
        ("/v1/rooms", "{\"call_id\":\"r\"}", 503, "UNAVAILABLE", None),
    ];
    for (path, body, status, code, field) in cases {
        let (got, kind, problem) = send("post", path, body).await;
        assert_eq!(
            (got.as_u16(), kind.as_str()),
            (status, "application/problem+json"),
            "{path} {body}"
        );
        assert_eq!(problem["code"], code, "{path} {body}");
        assert_eq!(problem["field"].as_str(), field, "{path} {body}");
        assert_eq!(problem["status"], status, "{path} {body}");
    }
}

#[tokio::test]
async fn no_problem_names_a_type_of_ours_or_repeats_a_whole_request() {
    let long = format!("\"{}\"", "x".repeat(100_000));
    let nested = format!("{{\"{}\":1}}", "y".repeat(100_000));
    for (method, path) in described() {
        let path = path.replace(['{', '}'], "");
        for body in ["\"x\"", "[]", "7", "{", "", &long, &nested] {
            let (status, _, problem) = send(&method, &path, body).await;
            let told = problem.to_string();
            assert!(
                !told.contains("struct") && (!status.is_client_error() || told.len() < 2_000),
                "{method} {path}: {told}"
            );
        }
    }
}

#[tokio::test]
async fn a_path_that_is_not_utf_8_is_a_problem_too() {
    for (method, path) in described() {
        if !path.contains('{') {
            continue;
        }
        let parts = path.split('/');
        let parts = parts.map(|part| if part.starts_with('{') { "%ff" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        let (status, kind, problem) = send(&method, &path, "{}").await;
        assert_eq!(
            (status, kind.as_str()),
            (StatusCode::BAD_REQUEST, "application/problem+json"),
            "{method} {path}"
        );
        assert_eq!(problem["code"], "INVALID_REQUEST", "{method} {path}");
    }
}

#[tokio::test]
async fn a_body_that_is_too_long_is_a_problem_too() {
    let (status, kind, problem) = send("post", "/v1/calls", &" ".repeat((1 << 20) + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(kind, "application/problem+json");
    assert_eq!(problem["code"], "TOO_LARGE");
}

#[tokio::test]
async fn a_bridge_that_drains_is_alive_and_not_ready() {
    assert_eq!(send("get", "/healthz", "").await.0, StatusCode::OK);
    let (status, _, health) = send("get", "/readyz", "").await;
    assert_eq!(
        (status, &health["draining"]),
        (StatusCode::SERVICE_UNAVAILABLE, &Value::Bool(true))
    );
}
