//! What is known of a request once its head has been read.

use std::{
    net::IpAddr,
    sync::{Arc, OnceLock},
};

use base::trace::{Span, TraceContext};
use http::{HeaderValue, Method, Request, Uri, Version};

use super::routes::Route;
use crate::{
    access::{Caller, ClientCertificate, CredentialId, Identity, Refusal},
    clock::Instant,
    telemetry::WaitKind,
};

/// More names of one certificate are left out of a log line.
const MAX_LOGGED_NAMES: usize = 8;

/// What all steps of the edge know of a request.
#[derive(Debug)]
pub(super) struct RequestInfo {
    pub(super) began: Instant,
    pub(super) client: IpAddr,
    pub(super) id: HeaderValue,
    /// Where the caller's `traceparent` says that the request belongs.
    pub(super) traceparent: Option<TraceContext>,
    /// Its own span, where there are traces.
    pub(super) span: Option<Span>,
    pub(super) version: Version,
    pub(super) uri: Uri,
    pub(super) method: Method,
    pub(super) route: &'static Route,
    /// Empty until it is known.
    pub(super) identity: OnceLock<Identity>,
    /// The certificate that the connection's peer has shown.
    pub(super) certificate: Option<Arc<ClientCertificate>>,
}

impl RequestInfo {
    /// The place in a trace that the work on it belongs to: its own span, or else the caller's.
    pub(super) fn trace(&self) -> Option<TraceContext> {
        self.span.map(|span| span.context).or(self.traceparent)
    }

    /// The sender's identity: that of a request without credentials until it is known.
    pub(super) fn identity(&self) -> &Identity {
        const UNKNOWN: &Identity = &Identity::Refused(Refusal::Missing);
        self.identity.get().unwrap_or(UNKNOWN)
    }

    /// The caller, where it is known.
    pub(super) fn authenticated_caller(&self) -> Option<&Caller> {
        match self.identity() {
            Identity::Authenticated(known) => Some(known.caller()),
            Identity::Refused(_) => None,
        }
    }

    /// The credential that the caller has shown.
    pub(super) fn credential(&self) -> Option<CredentialId> {
        match self.identity() {
            Identity::Authenticated(known) => known.credential(),
            Identity::Refused(_) => None,
        }
    }

    /// The names of a certificate that is good and names no caller: what a caller may be given to be
    /// known by it. One of our CAs has signed them, so they are no text of a stranger's making.
    pub(super) fn unnamed_san(&self) -> Option<String> {
        let is_unnamed = matches!(self.identity(), Identity::Refused(Refusal::UnnamedCertificate));
        let certificate = self.certificate.as_ref().filter(|_| is_unnamed)?;
        let names = certificate.names().iter().take(MAX_LOGGED_NAMES).map(ToString::to_string);
        let names: Vec<_> = names.collect();
        Some(if names.is_empty() { "none".to_owned() } else { names.join(" ") })
    }

    /// Whether it asks to wait for a change.
    pub(super) fn waits(&self) -> WaitKind {
        if self.route.may_wait() && asks_to_wait(&self.uri) { WaitKind::Poll } else { WaitKind::No }
    }

    /// Leaves the buffer of the connection that the head has come in, and is a part of: 8 KiB that would be
    /// held for as long as the request waits.
    pub(super) fn leave_buffer<B>(&mut self, request: &mut Request<B>) {
        if let Ok(uri) = self.uri.to_string().parse::<Uri>() {
            request.uri_mut().clone_from(&uri);
            self.uri = uri;
        }
        for value in request.headers_mut().values_mut().chain([&mut self.id]) {
            if let Ok(mut own) = HeaderValue::from_bytes(value.as_bytes()) {
                own.set_sensitive(value.is_sensitive());
                *value = own;
            }
        }
    }

    /// The method for metrics and log lines, where methods are a closed set.
    pub(super) fn method_name(&self) -> &'static str {
        match self.method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PUT" => "PUT",
            "DELETE" => "DELETE",
            "PATCH" => "PATCH",
            "OPTIONS" => "OPTIONS",
            _ => "other",
        }
    }
}

/// Whether a target asks to wait for a change, if its route lets it.
pub(super) fn asks_to_wait(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("wait=")))
}
