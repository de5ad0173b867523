//! What one record says.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::ids::{OrgId, SddcId};

/// One decision: who asked what, and whether it was allowed. Fields that the access line has too
/// are named as there.
///
/// No field holds a credential: `credential` tells a caller's keys apart and opens nothing.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct AuditRecord<'a> {
    /// When the answer was ready.
    pub timestamp: Timestamp,
    /// The record's own id: a `request_id` may be the caller's, and be sent twice.
    pub id: Uuid,
    /// `X-Request-Id` of the answer.
    #[serde(rename = "http.request_id")]
    pub request_id: &'a str,
    /// The caller's name; `none` when no caller is known.
    pub caller: &'a str,
    /// The first 8 hexadecimal digits of the credential's SHA-256.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential: Option<&'a str>,
    /// The method; `other` for an unusual one.
    #[serde(rename = "http.request.method")]
    pub method: &'a str,
    /// The client's address.
    #[serde(rename = "client.address")]
    pub client: IpAddr,
    /// The route's template; `unmatched` for no route.
    #[serde(rename = "http.route")]
    pub route: &'a str,
    /// The org that was asked for.
    #[serde(rename = "org.id", skip_serializing_if = "Option::is_none")]
    pub org_id: Option<&'a OrgId>,
    /// The SDDC that was asked for, whether there is one or not.
    #[serde(rename = "sddc.id", skip_serializing_if = "Option::is_none")]
    pub sddc_id: Option<&'a SddcId>,
    /// What was decided.
    pub decision: Decision,
    /// Why, where it was not allowed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
    /// The status.
    #[serde(rename = "http.response.status_code")]
    pub status: u16,
}

base::closed_set! {
    /// What was decided.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
    #[serde(rename_all = "lowercase")]
    pub enum Decision: Display {
        /// The caller may.
        Allow = "allow",
        /// The caller may not, or is not known.
        Deny = "deny",
    }
}

/// A record as one line. JSON escapes what would end it, so no field can make it two.
pub(super) fn line(record: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(record).expect("texts and numbers serialize");
    line.push(b'\n');
    line
}

/// A client certificate that a TLS handshake has refused: there was no request.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct CertificateRecord<'a> {
    /// When it was refused.
    pub timestamp: Timestamp,
    /// The record's own id.
    pub id: Uuid,
    /// Always `client_certificate`.
    pub event: &'static str,
    /// Always `none`.
    pub caller: &'static str,
    /// The first 8 hexadecimal digits of the certificate's SHA-256.
    pub credential: &'a str,
    /// The client's address.
    #[serde(rename = "client.address")]
    pub client: IpAddr,
    /// Always `deny`.
    pub decision: Decision,
    /// Why.
    pub reason: &'static str,
}
