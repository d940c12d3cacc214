//! A DSSE envelope, as in-toto has it: a payload, and signatures over its exact bytes and its type.

use super::{Private, Public};
use crate::base::error::{Class, Context, Error, Result};
use base64::prelude::{Engine, BASE64_STANDARD};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Envelope {
    payload_type: String,
    /// In base64, as the signatures are.
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

impl Envelope {
    /// Signs a payload.
    pub fn sign(payload_type: &str, payload: &[u8], key: &Private) -> Envelope {
        let sig = BASE64_STANDARD.encode(key.sign(&encoding(payload_type, payload)));
        Envelope {
            payload_type: payload_type.to_owned(),
            payload: BASE64_STANDARD.encode(payload),
            signatures: vec![Signature { keyid: key.public().id().to_owned(), sig }],
        }
    }

    pub fn read(text: &[u8]) -> Result<Envelope> {
        serde_json::from_slice(text).class(Class::Verify, "not a signed envelope")
    }

    /// In one line.
    pub fn write(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an envelope has only string keys")
    }

    /// What was signed, whoever has signed it. Nothing is to be believed of it before [`Envelope::signers`].
    pub fn payload(&self, payload_type: &str) -> Result<Vec<u8>> {
        if self.payload_type != payload_type {
            let message = format!("the envelope holds `{}`", self.payload_type.escape_debug());
            return Err(Error::new(Class::Verify, message));
        }
        BASE64_STANDARD.decode(&self.payload).class(Class::Verify, "the envelope's payload")
    }

    /// Which of these keys have signed the payload, each once. The names in the envelope only say where to look.
    pub fn signers<'a>(&self, keys: &'a [Public]) -> Vec<&'a Public> {
        let Ok(payload) = self.payload(&self.payload_type) else { return Vec::new() };
        let signed = encoding(&self.payload_type, &payload);
        let has_signed = |key: &&Public| {
            self.signatures.iter().filter(|signature| signature.keyid == key.id()).any(
                |signature| {
                    let bytes = BASE64_STANDARD.decode(&signature.sig);
                    bytes.is_ok_and(|bytes| key.verifies(&signed, &bytes))
                },
            )
        };
        keys.iter().filter(has_signed).collect()
    }
}

/// What is signed: DSSE's pre-authentication encoding.
fn encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (n_type, n_payload) = (payload_type.len(), payload.len());
    let mut bytes = format!("DSSEv1 {n_type} {payload_type} {n_payload} ").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_encoding_is_that_of_the_specification() {
        let expected = b"DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(encoding("http://example.com/HelloWorld", b"hello world"), expected);
    }
}
