//! Who vouches for an artifact: Ed25519 keys, signed envelopes, and which keys this machine trusts.
//!
//! All cryptography is that of `ed25519-dalek` and `sha2`; here is only what is signed, and whose word
//! counts. Nothing here reads a private key unless a command is to sign.

mod envelope;
mod key;
mod revoked;
pub(crate) mod statement;
mod trust;

pub use envelope::Envelope;
pub use key::{keygen, Private, Public, SIGNING_VARIABLE};
pub use revoked::Revoked;
pub use trust::Trust;
