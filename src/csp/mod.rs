//! The gateway's access tokens, one per organization, each shared by every request.

mod credentials;
mod settings;

pub use self::{
    credentials::{ClientId, ClientSecret, InvalidClientId},
    settings::{BasicEncoding, SecretOrigin, Settings},
};
