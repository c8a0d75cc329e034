//! TLS records, sealed by hand: AES-128-GCM of TLS 1.3 (RFC 8446, section 5.2) and TLS 1.2 (RFC 5288, section 3).

use std::io;

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use rustls::{ConnectionTrafficSecrets, ProtocolVersion, ServerConnection};

/// The most that one record carries.
const MOST: usize = 16 * 1024;
const APPLICATION_DATA: u8 = 23;

/// What seals the records that a server has still to write.
pub(super) struct Records {
    key: LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
    tls13: bool,
}

impl Records {
    pub(super) fn of(connection: ServerConnection) -> io::Result<Self> {
        let tls13 = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let secrets = connection.dangerous_extract_secrets().map_err(io::Error::other)?;
        let (sequence, ConnectionTrafficSecrets::Aes128Gcm { key, iv }) = secrets.tx else {
            return Err(io::Error::other("a suite that is not offered"));
        };
        let key = UnboundKey::new(&AES_128_GCM, key.as_ref())
            .map_err(|_| io::Error::other("a key of another length"))?;
        let iv = iv.as_ref().try_into().map_err(io::Error::other)?;
        Ok(Self { key: LessSafeKey::new(key), iv, sequence, tls13 })
    }

    /// Application data, in as many records as it needs.
    pub(super) fn data(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.chunks(MOST).flat_map(|part| self.seal(APPLICATION_DATA, part)).collect()
    }

    /// One record.
    pub(super) fn seal(&mut self, content: u8, bytes: &[u8]) -> Vec<u8> {
        let mut nonce = self.iv;
        for (byte, of_sequence) in nonce[4..].iter_mut().zip(self.sequence.to_be_bytes()) {
            *byte ^= of_sequence;
        }
        let length = |bytes: usize| u16::try_from(bytes).expect("a record's length").to_be_bytes();
        let tag = AES_128_GCM.tag_len();
        let mut sealed = bytes.to_vec();
        let (head, aad) = if self.tls13 {
            sealed.push(content);
            let [high, low] = length(sealed.len() + tag);
            let head = vec![APPLICATION_DATA, 3, 3, high, low];
            (head.clone(), head)
        } else {
            let [high, low] = length(8 + bytes.len() + tag);
            let head = [&[content, 3, 3, high, low], &nonce[4..]].concat();
            let [high, low] = length(bytes.len());
            (head, [&self.sequence.to_be_bytes()[..], &[content, 3, 3, high, low]].concat())
        };
        self.sequence += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(nonce, Aad::from(aad), &mut sealed).expect("a short record");
        [head, sealed].concat()
    }
}
