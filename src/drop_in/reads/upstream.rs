//! From a read to VMware Cloud: its reader, its tries, and what is done to the document before anybody sees it.

use std::{collections::HashMap, sync::Arc, time::Duration};

use http::StatusCode;
use parking_lot::Mutex;

use super::{cache::ReadKey, failure::ReadFailure, routes::ReadRoute, scrubbed::scrubbed};
use crate::{
    api::PassedDocument,
    drop_in::redaction::{UnknownFields, redact},
    telemetry::EventSpell,
    upstream::InvalidResponse,
    vmc::{RawAnswer, RawRead, RawReader, Reader, Remote, VmcError},
};

/// One try of what VMware takes up to a minute for.
const SLOW_TIMEOUT: Duration = Duration::from_secs(60);

/// The readers: one for each organization and route, so that what fails of one holds back no other.
#[derive(Debug)]
pub(super) struct RawReaders {
    quick: Remote,
    slow: Remote,
    unknown: UnknownFields,
    readers: Mutex<HashMap<(ReadKeyOrg, &'static str), RouteReader>>,
}

/// A reader, and whether its last failures were told.
type RouteReader = (RawReader, Arc<Mutex<EventSpell>>);

type ReadKeyOrg = Option<crate::ids::OrgId>;

/// A read that is to be made.
#[derive(Debug, Clone)]
pub(super) struct PlannedRead {
    pub(super) route: &'static ReadRoute,
    pub(super) key: ReadKey,
    path: String,
    query: Option<String>,
    reader: RawReader,
    failures: Arc<Mutex<EventSpell>>,
    unknown: UnknownFields,
}

impl RawReaders {
    /// Readers that ask through `remote`, which is their own.
    pub(super) fn new(remote: Remote, unknown: UnknownFields) -> Self {
        let slow_timeout = SLOW_TIMEOUT.max(remote.client.timeout());
        let slow = Remote { client: remote.client.with_timeout(slow_timeout), ..remote.clone() };
        Self { quick: remote, slow, unknown, readers: Mutex::default() }
    }

    /// A read of a route with the token of an organization's reader.
    pub(super) fn plan(
        &self,
        route: &'static ReadRoute,
        path: &str,
        query: Option<&str>,
        org: ReadKeyOrg,
        of_org: &Reader,
    ) -> PlannedRead {
        let remote = if route.slow { &self.slow } else { &self.quick };
        let mut readers = self.readers.lock();
        let (reader, failures) = readers
            .entry((org.clone(), route.template))
            .or_insert_with(|| (of_org.raw(remote.clone()), Arc::default()))
            .clone();
        let target = query.map_or_else(|| path.into(), |query| format!("{path}?{query}").into());
        PlannedRead {
            route,
            key: ReadKey { org, target },
            path: path.to_owned(),
            query: query.map(str::to_owned),
            reader,
            failures,
            unknown: self.unknown,
        }
    }
}

impl PlannedRead {
    /// Makes it.
    pub(super) async fn make(self) -> Result<PassedDocument, ReadFailure> {
        let Self { route, path, query, reader, failures, unknown, .. } = self;
        let tokens = reader.tokens().clone();
        let read = RawRead {
            endpoint: route.endpoint(),
            path: &path,
            query: query.as_deref(),
            retryable: route.retryable,
            is_specific: query.is_some() || route.names_object(),
        };
        let answer = reader.read(read, {
            let tokens = tokens.clone();
            move |body| {
                let shown = redact(body, unknown).map_err(|_| InvalidResponse::Body("JSON"))?;
                Ok(PassedDocument::new(scrubbed(shown, &tokens.scrubber())))
            }
        });
        let answer = match answer.await {
            Ok(RawAnswer::Refused(StatusCode::UNAUTHORIZED, _)) => Err(VmcError::Unauthorized),
            other => other,
        };
        match answer {
            Ok(RawAnswer::Document(document)) => Ok(document),
            Ok(RawAnswer::Refused(status, body)) => {
                Err(ReadFailure::told(status, &body, &tokens.scrubber()))
            }
            Err(error) => {
                warn_once(route, &error, &failures);
                Err(ReadFailure::new(&error, reader.circuit().retry_in))
            }
        }
    }
}

/// Logs the first failure of a route in a while: callers decide how often they ask for what fails.
fn warn_once(route: &ReadRoute, error: &VmcError, failures: &Mutex<EventSpell>) {
    if !error.is_held() && failures.lock().begins() {
        tracing::warn!(http.route = route.template, %error, "a read for a tool failed");
    }
}
