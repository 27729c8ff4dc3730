//! The single-use link: a token that is redeemed once, and the cookie that stands for it afterwards
//! (docs/evidence.md, 1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A secret of 32 random bytes; only its digest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token([u8; 32]);

impl Token {
    /// The token's text and what to keep of it. The bytes are the caller's randomness.
    pub fn new(random: [u8; 32]) -> (String, Token) {
        let text = URL_SAFE_NO_PAD.encode(random);
        let token = Token(Sha256::digest(&text).into());
        (text, token)
    }

    /// Whether `text` is the token. Digests are compared, so the time it takes reveals nothing of
    /// the token.
    pub fn matches(&self, text: &str) -> bool {
        text.len() == 43 && <[u8; 32]>::from(Sha256::digest(text)) == self.0
    }
}

/// What became of an attempt to redeem a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redeemed {
    /// First use: the text of the cookie.
    Now(String),
    /// Used before: answer 409.
    Already,
    /// Wrong or expired: answer 401.
    No,
}

/// One viewer's way in. Its stored form holds digests only: who reads it cannot get in by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    token: Token,
    cookie: Option<Token>,
    expires_unix_s: u64,
}

impl Link {
    /// May be redeemed until `expires_unix_s`; the redeemed session is good as long as the call
    /// is.
    pub fn new(token: Token, expires_unix_s: u64) -> Link {
        Link {
            token,
            cookie: None,
            expires_unix_s,
        }
    }

    /// Trades the token for a cookie, once. `random` becomes the cookie.
    pub fn redeem(&mut self, token: &str, random: [u8; 32], now_unix_s: u64) -> Redeemed {
        if !self.token.matches(token) {
            return Redeemed::No;
        }
        if self.cookie.is_some() {
            return Redeemed::Already;
        }
        if now_unix_s >= self.expires_unix_s {
            return Redeemed::No;
        }
        let (text, cookie) = Token::new(random);
        self.cookie = Some(cookie);
        Redeemed::Now(text)
    }

    /// Whether a request with this cookie comes from the browser that redeemed the link.
    pub fn admits(&self, cookie: &str) -> bool {
        self.cookie.is_some_and(|kept| kept.matches(cookie))
    }

    /// Whether it was redeemed.
    pub fn is_used(&self) -> bool {
        self.cookie.is_some()
    }

    /// Whether this is the link's token, used or not, expired or not.
    pub fn knows(&self, token: &str) -> bool {
        self.token.matches(token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_good_once_and_its_cookie_until_the_end() {
        let (text, token) = Token::new([7; 32]);
        let mut link = Link::new(token, 100);
        assert_eq!(link.redeem("wrong", [1; 32], 0), Redeemed::No);
        let Redeemed::Now(cookie) = link.redeem(&text, [1; 32], 0) else {
            panic!("first use")
        };
        assert_eq!(link.redeem(&text, [2; 32], 0), Redeemed::Already);
        assert_eq!(link.redeem(&text, [2; 32], 100), Redeemed::Already);
        assert!(link.is_used());
        assert!(link.admits(&cookie) && !link.admits(&text) && link.knows(&text));
    }

    #[test]
    fn a_stored_link_knows_its_token_and_its_cookie_and_shows_neither() {
        let (text, token) = Token::new([7; 32]);
        let mut link = Link::new(token, 100);
        let Redeemed::Now(cookie) = link.redeem(&text, [1; 32], 0) else {
            panic!("first use")
        };
        let stored = serde_json::to_string(&link).expect("digests have a JSON form");
        assert!(!stored.contains(&text) && !stored.contains(&cookie));
        let again: Link = serde_json::from_str(&stored).expect("it was written by us");
        assert_eq!(again, link);
        assert!(again.admits(&cookie));
    }

    #[test]
    fn an_expired_link_cannot_be_redeemed() {
        let (text, token) = Token::new([7; 32]);
        assert_eq!(
            Link::new(token, 100).redeem(&text, [1; 32], 100),
            Redeemed::No
        );
    }
}
