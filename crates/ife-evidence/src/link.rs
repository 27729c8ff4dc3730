//! The single-use link: a token that is redeemed once, and the cookie that stands for it afterwards (docs/evidence.md, 1).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// A secret of 32 random bytes; only its digest is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token([u8; 32]);

impl Token {
    /// The token's text and what to keep of it. The bytes are the caller's randomness.
    pub fn new(random: [u8; 32]) -> (String, Token) {
        let text = URL_SAFE_NO_PAD.encode(random);
        let token = Token(Sha256::digest(&text).into());
        (text, token)
    }

    /// Whether `text` is the token. Digests are compared, so the time it takes tells nothing of the token.
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

/// One expert's way in.
#[derive(Debug, Clone)]
pub struct Link {
    token: Token,
    cookie: Option<Token>,
    expires_unix_s: u64,
}

impl Link {
    /// Good until `expires_unix_s`.
    pub fn new(token: Token, expires_unix_s: u64) -> Link {
        Link {
            token,
            cookie: None,
            expires_unix_s,
        }
    }

    /// Trades the token for a cookie, once. `random` becomes the cookie.
    pub fn redeem(&mut self, token: &str, random: [u8; 32], now_unix_s: u64) -> Redeemed {
        if now_unix_s >= self.expires_unix_s || !self.token.matches(token) {
            return Redeemed::No;
        }
        if self.cookie.is_some() {
            return Redeemed::Already;
        }
        let (text, cookie) = Token::new(random);
        self.cookie = Some(cookie);
        Redeemed::Now(text)
    }

    /// Whether a request with this cookie comes from the browser that redeemed the link.
    pub fn admits(&self, cookie: &str, now_unix_s: u64) -> bool {
        now_unix_s < self.expires_unix_s && self.cookie.is_some_and(|kept| kept.matches(cookie))
    }

    /// Ends the link, for example with the call.
    pub fn expire(&mut self) {
        self.expires_unix_s = 0;
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
        assert!(link.admits(&cookie, 99) && !link.admits(&cookie, 100) && !link.admits(&text, 0));
        link.expire();
        assert!(!link.admits(&cookie, 0));
        assert_eq!(link.redeem(&text, [2; 32], 0), Redeemed::No);
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
