//! Records of a service's place (SRV, RFC 2782; NAPTR), which the system's resolver does not
//! give a program of this language. One question over UDP at a time, each bounded.

use std::{fs, io, net::SocketAddr, time::Duration};

use tokio::{net::UdpSocket, time::timeout};

/// Servers that are asked, as resolvers do (resolv.conf(5)).
const SERVERS_MAX: usize = 3;
/// How long one server may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(2);
/// Longest answer without an extension (RFC 1035 4.2.1), and some more.
const ANSWER_LEN_MAX: usize = 4_096;
/// Records of an answer that are looked at.
const RECORDS_MAX: usize = 64;
/// Pointers and labels of one name (RFC 1035 3.1 and 4.1.4).
const LABELS_MAX: usize = 128;
const NAME_LEN_MAX: usize = 253;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Srv = 33,
    Naptr = 35,
}

/// The records of a name in the DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// Records; of SRV with their targets.
    Records(Vec<String>),
    /// No such name, or none of the kind.
    Nothing,
    /// No server gave a usable answer.
    Silent,
}

/// The servers of this host.
pub(super) fn servers() -> Vec<SocketAddr> {
    servers_in(&fs::read_to_string("/etc/resolv.conf").unwrap_or_default())
}

fn servers_in(text: &str) -> Vec<SocketAddr> {
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let is_server = words.next() == Some("nameserver");
        let ip = words.next().filter(|_| is_server)?.parse().ok()?;
        Some(SocketAddr::new(ip, 53))
    };
    let mut servers: Vec<_> = text.lines().filter_map(address).take(SERVERS_MAX).collect();
    if servers.is_empty() {
        servers.push(SocketAddr::from(([127, 0, 0, 1], 53)));
    }
    servers
}

/// Asks one server after the other until one answers.
pub(super) async fn ask(servers: &[SocketAddr], name: &str, kind: Kind) -> Answer {
    let mut id = [0; 2];
    if getrandom::fill(&mut id).is_err() {
        return Answer::Silent;
    }
    let Some(question) = question(u16::from_be_bytes(id), name, kind) else {
        return Answer::Nothing;
    };
    for server in servers {
        if let Ok(Ok(answer)) = timeout(ANSWER_TIME_MAX, exchange(*server, &question)).await
            && let Some(answer) = read(&answer, &question, kind)
        {
            return answer;
        }
    }
    Answer::Silent
}

async fn exchange(server: SocketAddr, question: &[u8]) -> io::Result<Vec<u8>> {
    let own = if server.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(server).await?;
    socket.send(question).await?;
    let mut answer = vec![0; ANSWER_LEN_MAX];
    let len = socket.recv(&mut answer).await?;
    answer.truncate(len);
    Ok(answer)
}

/// Returns the question, or nothing if the text is no name.
fn question(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    const RECURSION_DESIRED: u16 = 0x0100;
    let mut bytes = Vec::new();
    for word in [id, RECURSION_DESIRED, 1, 0, 0, 0] {
        bytes.extend(word.to_be_bytes());
    }
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > NAME_LEN_MAX {
        return None;
    }
    for label in name.split('.') {
        let len = u8::try_from(label.len()).ok();
        bytes.push(len.filter(|len| (1..=63).contains(len))?);
        bytes.extend(label.as_bytes());
    }
    bytes.push(0);
    for word in [kind as u16, 1] {
        bytes.extend(word.to_be_bytes());
    }
    Some(bytes)
}

/// Reads an answer to `question`; nothing if it is none, or not usable.
fn read(answer: &[u8], question: &[u8], kind: Kind) -> Option<Answer> {
    const IS_ANSWER: u16 = 0x8000;
    const IS_CUT: u16 = 0x0200;
    const NO_SUCH_NAME: u16 = 3;
    let asked = question.get(12..)?;
    let flags = word(answer, 2)?;
    let is_ours = answer.get(..2)? == question.get(..2)? && flags & IS_ANSWER != 0;
    if !is_ours
        || !answer
            .get(12..)?
            .get(..asked.len())?
            .eq_ignore_ascii_case(asked)
    {
        return None;
    }
    match flags & 0xf {
        0 => {}
        NO_SUCH_NAME => return Some(Answer::Nothing),
        _ => return None,
    }
    let mut found = Vec::new();
    let mut at = 12 + asked.len();
    for _ in 0..usize::from(word(answer, 6)?).min(RECORDS_MAX) {
        let (_, head) = name(answer, at)?;
        let (of_kind, len) = (word(answer, head)?, word(answer, head + 8)?);
        let data = head + 10;
        if of_kind == kind as u16 {
            found.push(match kind {
                Kind::Srv => name(answer, data + 6)?.0,
                Kind::Naptr => String::new(),
            });
        }
        at = data + usize::from(len);
    }
    if found.is_empty() {
        // A cut answer may have lost them.
        return (flags & IS_CUT == 0).then_some(Answer::Nothing);
    }
    Some(Answer::Records(found))
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let word = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([word[0], word[1]]))
}

/// Returns the name at `start`, and where the record goes on after it.
fn name(bytes: &[u8], start: usize) -> Option<(String, usize)> {
    let mut labels: Vec<String> = Vec::new();
    let (mut at, mut end) = (start, None);
    for _ in 0..LABELS_MAX {
        match *bytes.get(at)? {
            0 => return Some((labels.join("."), end.unwrap_or(at + 1))),
            len if len < 64 => {
                let label = bytes.get(at + 1..at + 1 + usize::from(len))?;
                labels.push(String::from_utf8_lossy(label).into_owned());
                at += 1 + usize::from(len);
            }
            len if len >= 0xc0 => {
                end.get_or_insert(at + 2);
                at = usize::from(word(bytes, at)? & 0x3fff);
            }
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer with one SRV record, whose target ends in a pointer to the question's name.
    fn answered() -> (Vec<u8>, Vec<u8>) {
        let question = question(7, "_sip._udp.a.example", Kind::Srv).expect("a name");
        let mut answer = question.clone();
        (answer[2], answer[3], answer[7]) = (0x81, 0x80, 1);
        // The labels of `a.example` begin at 12 + 5 + 5.
        answer.extend([0xc0, 12, 0, 33, 0, 1, 0, 0, 0, 60, 0, 14]);
        answer.extend([0, 10, 0, 0, 0x13, 0xc4, 5]);
        answer.extend(b"phone");
        answer.extend([0xc0, 22]);
        (question, answer)
    }

    #[test]
    fn targets_are_read() {
        let (question, answer) = answered();
        assert_eq!(
            read(&answer, &question, Kind::Srv),
            Some(Answer::Records(vec!["phone.a.example".into()]))
        );
        assert_eq!(read(&answer, &question, Kind::Naptr), Some(Answer::Nothing));
    }

    #[test]
    fn names_that_are_none_are_not_asked_about() {
        let long = "a".repeat(64);
        let many = ["abcdefgh"; 40].join(".");
        for bad in ["", "a..b", ".", long.as_str(), many.as_str()] {
            assert_eq!(question(1, bad, Kind::Srv), None, "{bad}");
        }
        assert!(question(1, "a.example.", Kind::Srv).is_some());
    }

    #[test]
    fn no_such_name_is_nothing_and_a_failure_is_no_answer() {
        let (question, mut answer) = answered();
        answer[3] = 0x83;
        assert_eq!(read(&answer, &question, Kind::Srv), Some(Answer::Nothing));
        answer[3] = 0x82;
        assert_eq!(read(&answer, &question, Kind::Srv), None);
        // Cut, without a record.
        (answer[2], answer[3], answer[7]) = (0x83, 0x80, 0);
        assert_eq!(read(&answer, &question, Kind::Srv), None);
    }

    #[test]
    fn hostile_answers_are_harmless() {
        let (question, answer) = answered();
        for len in 0..answer.len() {
            assert!(!matches!(
                read(&answer[..len], &question, Kind::Srv),
                Some(Answer::Records(_))
            ));
        }
        // A pointer to itself, another id, another question, a question as its answer.
        let at = answer.len() - 1;
        let bent: [fn(&mut Vec<u8>, usize); 4] = [
            |answer, at| answer[at] = u8::try_from(at - 1).expect("short"),
            |answer, _| answer[1] = 8,
            |answer, _| answer[13] = b'x',
            |answer, _| answer[2] = 1,
        ];
        for bend in bent {
            let mut answer = answer.clone();
            bend(&mut answer, at);
            assert_eq!(read(&answer, &question, Kind::Srv), None);
        }
    }

    #[test]
    fn servers_are_those_of_resolv_conf() {
        let text = "# x\nsearch a\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\n\
            nameserver 2001:db8::1\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n";
        let found: Vec<_> = servers_in(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["192.0.2.1:53", "[2001:db8::1]:53", "192.0.2.3:53"]);
        assert_eq!(servers_in("")[0].to_string(), "127.0.0.1:53");
    }
}
