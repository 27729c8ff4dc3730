//! An evidence session in an entry.

use super::json;
use super::object::Object;

/// The same for the texts of `evidence`: a digest is whole.
const EVIDENCE_TEXT_KEPT: usize = 80;

/// Largest number of ids in a list of files; those beyond are left out.
pub const FILE_IDS_MAX: usize = 64;

/// An evidence session in an entry of its server; an absent member is left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evidence<'a> {
    /// Name of the session.
    pub session: Option<&'a str>,
    /// Number of the connection within the session.
    pub peer: Option<u64>,
    /// SHA-256 by which messages are bound to the connection.
    pub binding: Option<&'a str>,
    /// The expert's public key.
    pub key: Option<&'a str>,
    /// SHA-256 of the signed list of files.
    pub manifest: Option<&'a str>,
    /// Number of files in it.
    pub files: Option<u32>,
    /// Bytes of all files together.
    pub bytes: Option<u64>,
    /// Id of the file that the entry is about.
    pub file: Option<u32>,
    /// Its name.
    pub name: Option<&'a str>,
    /// Its size in bytes.
    pub size: Option<u64>,
    /// Its SHA-256.
    pub sha256: Option<&'a str>,
    /// Ids of the files that the expert has verified.
    pub verified: Option<&'a [u32]>,
    /// Ids of the files that the expert could not verify.
    pub failed: Option<&'a [u32]>,
    /// SHA-256 of the signed receipt.
    pub receipt: Option<&'a str>,
    /// The failure, in one word.
    pub error: Option<&'a str>,
}

impl Object<'_> {
    fn ids(&mut self, key: &str, ids: Option<&[u32]>) {
        let Some(ids) = ids else { return };
        self.key(key);
        self.out.push(b'[');
        for (place, id) in ids.iter().take(FILE_IDS_MAX).enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            json::number((*id).into(), self.out);
        }
        self.out.push(b']');
    }

    pub(super) fn evidence(&mut self, evidence: &Evidence<'_>) {
        self.key("evidence");
        self.out.push(b'{');
        let whole = self.limit;
        if whole != usize::MAX {
            self.limit = EVIDENCE_TEXT_KEPT;
        }
        self.text("binding", evidence.binding.map(str::as_bytes));
        self.number("bytes", evidence.bytes);
        self.text("error", evidence.error.map(str::as_bytes));
        self.ids("failed", evidence.failed);
        self.number("file", evidence.file.map(u64::from));
        self.number("files", evidence.files.map(u64::from));
        self.text("key", evidence.key.map(str::as_bytes));
        self.text("manifest", evidence.manifest.map(str::as_bytes));
        self.text("name", evidence.name.map(str::as_bytes));
        self.number("peer", evidence.peer);
        self.text("receipt", evidence.receipt.map(str::as_bytes));
        self.text("session", evidence.session.map(str::as_bytes));
        self.text("sha256", evidence.sha256.map(str::as_bytes));
        self.number("size", evidence.size);
        self.ids("verified", evidence.verified);
        self.limit = whole;
        self.out.push(b'}');
    }
}
