//! Reads of any path of VMware's, for one who passes the answers on.
//!
//! The token, the tries and the circuit breaker are those of a [`Reader`](super::Reader); what differs is that VMware's
//! own refusals are answers. Who reads passes by a [`Remote`] of its own, with its own
//! [`ConcurrencyLimit`](crate::upstream::ConcurrencyLimit): reads of callers hold back no others.

use std::{sync::Arc, time::Duration};

use base::{jobs::blocking_if, single_flight::TaskLost};
use bytes::Bytes;
use http::StatusCode;
use url::Url;

use super::{
    VmcError,
    reader::{READ_DEADLINE, Remote, open_for},
    signed::{SignedRequest, Signer},
};
use crate::{
    csp::TokenSource,
    observer::traced,
    upstream::{
        CircuitBreaker, CircuitStatus, Failure, InvalidResponse, MAX_FIRST_BACKOFF, Priority, Reply,
    },
};

/// For the mint and the wait for a permit, beside the time of one try.
const BESIDE_A_TRY: Duration = Duration::from_secs(15);

/// Bytes of a body that is checked where it arrives: a fraction of a millisecond. A thread for it would be woken
/// first.
const MAX_SHORT_BODY: usize = 32 * 1024;

/// Reads paths of one kind, with one organization's token, through one circuit breaker. Cheap to clone;
/// clones share it.
#[derive(Debug, Clone)]
pub struct RawReader(Arc<RawReaderState>);

#[derive(Debug)]
struct RawReaderState {
    remote: Remote,
    signer: Signer,
    circuit: CircuitBreaker<VmcError>,
}

/// What is read.
#[derive(Debug, Clone, Copy)]
pub struct RawRead<'a> {
    /// Its metric label: a closed set.
    pub endpoint: &'static str,
    /// The path at VMware's host. It must be as a URL has it: without `.` and `..`.
    pub path: &'a str,
    /// The query as it is sent, without `?`.
    pub query: Option<&'a str>,
    /// Whether it is tried again where that may help.
    pub retryable: bool,
    /// Whether it is about one object, or has a query: that VMware fails at it, or answers nonsense, says
    /// nothing of other reads of the kind.
    pub is_specific: bool,
}

/// What VMware answers.
#[derive(Debug, Clone)]
pub enum RawAnswer<T> {
    /// 200 with JSON.
    Document(T),
    /// A 4xx other than 429, with the JSON that it came with, if any: at most 64 KiB. Before a 401 a new token was
    /// tried, unless that was done within the last minute.
    Refused(StatusCode, Bytes),
}

impl RawReader {
    pub(super) fn new(remote: Remote, signer: Signer) -> Self {
        let circuit = CircuitBreaker::new(signer.clock().clone());
        let remote = Remote { client: remote.client.with_error_bodies(), ..remote };
        Self(Arc::new(RawReaderState { remote, signer, circuit }))
    }

    /// The token that it asks with.
    #[must_use]
    pub fn tokens(&self) -> &TokenSource {
        self.0.signer.tokens()
    }

    /// The circuit breaker, for probes and metrics.
    #[must_use]
    pub fn circuit(&self) -> CircuitStatus {
        self.0.circuit.status()
    }

    /// Reads a document. `check` reads the body, a long one on a thread where it may take its time: what it refuses
    /// is a failure as if it were not JSON.
    ///
    /// # Errors
    /// [`VmcError`], never for a 4xx that VMware means for who asks.
    pub async fn read<T: Send + 'static>(
        &self,
        read: RawRead<'_>,
        check: impl FnOnce(&[u8]) -> Result<T, VmcError> + Send + 'static,
    ) -> Result<RawAnswer<T>, VmcError> {
        let RawReaderState { remote, signer, circuit } = &*self.0;
        let url = url(&remote.base, read)?;
        let permit = circuit.enter()?;
        let tries = if permit.is_trial() || !read.retryable {
            remote.retries.begin_single()
        } else {
            remote.retries.begin()
        };
        let request = SignedRequest {
            endpoint: read.endpoint,
            url,
            priority: Priority::Callers,
            deadline: READ_DEADLINE.max(remote.client.timeout() + BESIDE_A_TRY),
            circuit,
            judges_token: false,
        };
        let work = async {
            match signer.send(remote, &request, tries).await? {
                Reply::Json(body) => blocking_if(body.len() > MAX_SHORT_BODY, move || check(&body))
                    .await
                    .unwrap_or(Err(TaskLost.into()))
                    .map(RawAnswer::Document),
                Reply::Refused(status, body) => Ok(RawAnswer::Refused(status, body)),
            }
        };
        let observer = (remote.client.observer(), signer.clock());
        let outcome = traced(observer, ("read", read.endpoint), work, VmcError::kind).await;
        match &outcome {
            // VMC was not asked.
            Err(VmcError::Token(_) | VmcError::QueueFull(_) | VmcError::Unauthorized) => {}
            // Neither is judged by it: others may be answered, or fail too.
            Err(error) if read.is_specific && may_be_its_own(error) => {}
            Ok(_) => permit.succeeded(),
            Err(error) => permit.failed(open_for(error, MAX_FIRST_BACKOFF), error.clone()),
        }
        outcome
    }
}

/// Whether the reason of a failure may be the object or the query of the read. VMware's servers have answered.
fn may_be_its_own(error: &VmcError) -> bool {
    match error {
        VmcError::Upstream(Failure::Server { status, .. }) => {
            matches!(*status, StatusCode::INTERNAL_SERVER_ERROR | StatusCode::NOT_IMPLEMENTED)
        }
        VmcError::Upstream(Failure::Contract(_)) => true,
        _ => false,
    }
}

/// The path at VMware's host, and at no other: `base` gives the host, and nothing of the path is read as
/// anything else.
fn url(base: &Url, read: RawRead<'_>) -> Result<Url, VmcError> {
    let mut url = base.clone();
    url.set_path(read.path);
    url.set_query(read.query);
    url.set_fragment(None);
    if url.path() == read.path && url.origin() == base.origin() {
        Ok(url)
    } else {
        Err(InvalidResponse::Address.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(path: &str, query: Option<&str>) -> Option<String> {
        let base = Url::parse("https://vmc.example/ignored?x#y").unwrap();
        let read = RawRead { endpoint: "x", path, query, retryable: true, is_specific: true };
        url(&base, read).ok().map(|url| url.as_str().to_owned())
    }

    #[test]
    fn a_path_is_asked_for_as_it_is_or_not_at_all() {
        let url = |rest: &str| Some(format!("https://vmc.example{rest}"));
        assert_eq!(made("/vmc/api/orgs/", None), url("/vmc/api/orgs/"));
        assert_eq!(made("/a", Some("$filter=x%20eq%201&y")), url("/a?$filter=x%20eq%201&y"));
        for odd in ["/a/../b", "/a/./b", "/a/%2e%2e/b", "/a\\b", "a", "/a?b", "/a#b", "/ü", ""] {
            assert_eq!(made(odd, None), None, "{odd}");
        }
    }
}
