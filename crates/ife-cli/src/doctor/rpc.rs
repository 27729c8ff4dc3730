//! Kamailio's JSON-RPC over UDP: one bounded question at a time.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    time::Duration,
};

use serde_json::{Value, json};

/// How long an answer may take; it comes from the same host.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// Questions without an answer before Kamailio counts as silent: a datagram can be lost.
const TRIES: usize = 2;

/// Asks; an answer that is an error is one.
pub(super) fn ask(address: SocketAddr, method: &str) -> io::Result<Value> {
    let own = if address.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(own)?;
    socket.connect(address)?;
    socket.set_read_timeout(Some(ANSWER_TIME_MAX))?;
    let question = json!({"jsonrpc": "2.0", "method": method, "id": 1}).to_string();
    let mut answer = vec![0; 1 << 16];
    let mut last = None;
    for _ in 0..TRIES {
        socket.send(question.as_bytes())?;
        match socket.recv(&mut answer) {
            Ok(len) => return result(&answer[..len]),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| io::ErrorKind::TimedOut.into()))
}

fn result(answer: &[u8]) -> io::Result<Value> {
    let mut answer: Value = serde_json::from_slice(answer).map_err(io::Error::other)?;
    match answer["error"]["message"].as_str() {
        Some(message) => Err(io::Error::other(message.to_owned())),
        None => Ok(answer["result"].take()),
    }
}

/// A number, which Kamailio gives as text where it is large.
pub(super) fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_results_or_errors() {
        assert_eq!(
            result(br#"{"result":{"a":"9999999999"}}"#).expect("one")["a"],
            "9999999999"
        );
        for bad in [&b"x"[..], br#"{"error":{"code":500,"message":"no"}}"#] {
            assert!(result(bad).is_err(), "{bad:?}");
        }
        assert_eq!(number(&json!("9999999999")), Some(9_999_999_999));
        assert_eq!((number(&json!(5)), number(&json!("x"))), (Some(5), None));
    }
}
