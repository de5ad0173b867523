//! `GET /sddcs/events`: server-sent events (HTML standard, section 9.2).

use std::{collections::VecDeque, convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures_util::stream;
use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_TYPE, VARY},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    WatchPermit,
    watched_state::{WatchedState, event},
};
use crate::{
    access::Denied,
    api::{
        answer::{AnswerSubject, CacheStatus, EncodedAnswer, ResourceType},
        caller::SddcReader,
        error::ApiError,
        gaps::gaps,
        page::Completeness,
        pipeline::{FetchedList, WatchMode, encode, encode_now, fetch},
        query::{AllowedParams, ListQuery},
        request::{InventoryRequest, ListTarget},
    },
    clock::Instant,
    ids::OrgId,
    inventory::{
        FreshnessRequirement, List, ListSnapshot, ListWatch, SddcListing, Served, model::SddcEntry,
    },
    problem::MissingPart,
    telemetry::{AuditRecord, Decision},
};

const PATH: &str = "/sddcs/events";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");
/// A comment this often: it keeps proxies from closing the stream, and finds peers that are gone.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// One line and no empty one: there are clients that make a message without data of an empty line.
const KEEP_ALIVE: Bytes = Bytes::from_static(b": still here\n");
/// A line of the first event: how many milliseconds a client waits before it connects again.
const RETRY: Bytes = Bytes::from_static(b"retry: 3000\n");

/// Watch SDDCs
///
/// The SDDCs as a stream of server-sent events. The first event is `event: sync` with the whole
/// list, as `GET /sddcs` answers it. Then come `event: added`, `changed` or `removed` with
/// `{"sddc": …, "changed": [names of the fields that differ]}`, and `event: status` with
/// `{"age_s", "completeness"}` when the snapshot becomes old or incomplete, or is fresh and
/// complete again. A comment of one line comes every 15 s. The first event has `retry: 3000`. The
/// schemas of the data are `Page_Sddc` (`sync`), `ChangeEvent` (`added`, `changed`, `removed`),
/// `StatusEvent` and `ResetEvent`.
///
/// `id` is the `ETag` of the list with the same filters. A client that reconnects with it as
/// `Last-Event-ID` continues if nothing has changed; otherwise it gets `event: reset` and a new
/// `sync`. An SDDC that cannot be read is never `removed`. One that no longer matches the
/// filters, or that the caller may no longer see, is `removed`.
///
/// Source: `GET /vmc/api/orgs/{org}/sddcs`.
#[cfg_attr(test, utoipa::path(
    get, path = "/sddcs/events", tag = "sddcs",
    responses((status = 200, description = "The events"))
))]
pub(in crate::api) async fn watch_sddcs(
    request: InventoryRequest,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let target = request.all(ResourceType::Sddcs);
    let settled = fetch::<SddcEntry>(&request, &target, AllowedParams::EVENTS, WatchMode::Forever);
    let FetchedList { query, served, watch, .. } = settled.await?;
    let watch = watch.unwrap_or_else(|| request.state.inventory.watch(List::Sddcs));
    // Like any page: what many first looks cost is bounded.
    let page = encode(&request, &target, &query, 0, &served, &request.visibility).await?.encoded;
    let place = request
        .state
        .watchers
        .enter(request.reader.0.caller().name())
        .ok_or(ApiError::TooManyWatchers)?;
    if let Some(permit) = &request.permit {
        permit.park();
    }
    let cache_status = CacheStatus::of(&served);
    let last = headers.get(LAST_EVENT_ID).filter(|id| !id.is_empty()).cloned();
    let viewer = WatchedList { request: request.without_head(), target, query };
    let stream = EventStream::begin(viewer, watch, place, &served, &page, last.as_ref());
    let body = stream::unfold(stream, |mut stream| async {
        stream.next().await.map(|chunk| (Ok::<_, Infallible>(chunk), stream))
    });
    let mut response = Body::from_stream(body).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Authorization, X-API-Key"));
    // nginx would hold small events back until its buffer is full.
    headers.insert(ACCEL_BUFFERING, HeaderValue::from_static("no"));
    response.extensions_mut().insert(cache_status);
    response.extensions_mut().insert(StreamMarker);
    Ok(response)
}

/// The data of `event: status`: the snapshot has become old or incomplete, or is fresh and
/// complete again.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = StatusEvent))]
pub(in crate::api) struct StatusEvent {
    /// Seconds since the oldest part of the snapshot was read; `null` where there is none.
    pub(super) age_s: Option<u64>,
    /// Whether every organization can be shown.
    pub(super) completeness: Completeness,
}

/// The data of `event: reset`: the earlier events no longer hold, and `sync` follows.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(utoipa::ToSchema), schema(as = ResetEvent))]
pub(in crate::api) struct ResetEvent {}

impl ResetEvent {
    fn event(&self) -> String {
        event("reset", None, &serde_json::to_string(self).expect("it has string keys only"))
    }
}

impl StatusEvent {
    pub(super) fn event(&self) -> String {
        event("status", None, &serde_json::to_string(self).expect("it has string keys only"))
    }
}

/// Marks an answer that goes on: its connection's being cut loses a watcher.
#[derive(Debug, Clone, Copy)]
pub struct StreamMarker;

/// A watcher and what it watches.
struct WatchedList {
    request: InventoryRequest,
    target: ListTarget,
    /// Takes a part: what is missing is told as status.
    query: ListQuery<SddcEntry>,
}

/// What one watcher has been told, and what is to be told next.
struct EventStream {
    viewer: WatchedList,
    watch: ListWatch,
    state: Arc<WatchedState>,
    /// The view that the state is of.
    at: ViewVersion,
    told: ToldFreshness,
    /// The rest of one step: nothing is added before it is taken.
    pending: VecDeque<Bytes>,
    /// Whether an event was sent yet.
    has_begun: bool,
    heartbeat: Instant,
    _place: WatchPermit,
}

/// What makes one view another than the last one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ViewVersion {
    revision: u64,
    missing: Vec<OrgId>,
}

/// What `status` tells the turns of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ToldFreshness {
    is_old: bool,
    is_partial: bool,
}

impl WatchedList {
    fn subject(&self, view: &ListSnapshot<SddcEntry>) -> (ViewVersion, AnswerSubject) {
        // Nor is something removed that may be one of those that cannot be read.
        let missing = view.missing.iter().map(|gap| &gap.org_id).chain(view.unreadable_orgs());
        let missing = missing.cloned().collect();
        let look = ViewVersion { revision: view.content.revision, missing };
        let gaps = view.missing.iter().map(MissingPart::from).collect();
        (look, self.request.subject(&self.target, &self.query, 0, view.content.revision, gaps))
    }

    /// The list that a question with the same filters is answered with.
    fn page(&self, subject: AnswerSubject, view: &ListSnapshot<SddcEntry>) -> Arc<EncodedAnswer> {
        let (target, visibility) = (&self.target, &self.request.visibility);
        encode_now(&self.request, subject, target, &self.query, view, visibility)
    }

    fn seen(&self, view: &ListSnapshot<SddcEntry>) -> Vec<Arc<SddcEntry>> {
        let is_seen = |entry: &SddcEntry| {
            let org = &entry.sddc.org_id;
            self.target.scope.holds(org)
                && view.shows(org)
                && self.request.visibility.sees(entry)
                && self.query.matches(entry)
        };
        view.content.entries.iter().filter(|entry| is_seen(entry)).cloned().collect()
    }

    /// Whether the list is a part only.
    fn is_partial(&self, view: &ListSnapshot<SddcEntry>) -> bool {
        let visibility = &self.request.visibility;
        !view.missing.is_empty() || !gaps(&self.target, &self.query, view, visibility).is_empty()
    }

    fn freshness(&self, age: Duration, is_partial: bool) -> ToldFreshness {
        ToldFreshness { is_old: age >= self.request.state.answers.fresh(), is_partial }
    }
}

impl EventStream {
    fn begin(
        viewer: WatchedList,
        watch: ListWatch,
        place: WatchPermit,
        served: &Served<ListSnapshot<SddcEntry>>,
        page: &EncodedAnswer,
        last: Option<&HeaderValue>,
    ) -> Self {
        let view = &served.content;
        let (at, subject) = viewer.subject(view);
        let steps = &viewer.request.state.steps;
        let mut pending = VecDeque::new();
        if !last.is_some_and(|last| page.has_tag(last)) {
            if last.is_some() {
                pending.push_back(ResetEvent {}.event().into());
            }
            pending.extend(sync(page));
        }
        let told = ToldFreshness { is_old: false, is_partial: false };
        let now = viewer.freshness(served.age, viewer.is_partial(view));
        let mut events = Self {
            state: steps.begin(subject, || viewer.seen(view)),
            heartbeat: viewer.request.state.clock.now() + HEARTBEAT,
            viewer,
            watch,
            at,
            told,
            pending,
            has_begun: false,
            _place: place,
        };
        events.tell_freshness(now, Some(served.age));
        events
    }

    /// What is to be sent next; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if !self.pending.is_empty() && !std::mem::replace(&mut self.has_begun, true) {
                return Some(RETRY);
            }
            if let Some(chunk) = self.pending.pop_front() {
                return Some(chunk);
            }
            let state = &self.viewer.request.state;
            tokio::select! {
                biased;
                () = state.readiness.draining() => return None,
                changed = self.viewer.request.reader.0.changed() => {
                    if let Err(denied) = changed {
                        self.let_go(denied).await;
                        return None;
                    }
                    // Who cannot be shown what it may see now has to ask.
                    self.begin_anew()?;
                }
                () = self.watch.changed() => self.look(),
                () = state.clock.sleep_until_coarse(self.heartbeat) => {
                    self.heartbeat = state.clock.now() + HEARTBEAT;
                    return Some(KEEP_ALIVE);
                }
            }
        }
    }

    /// Counts, logs and records why the stream ends, which nobody asked for.
    async fn let_go(&self, denied: Denied) {
        let InventoryRequest { state, reader: SddcReader(reader), .. } = &self.viewer.request;
        let problem = ApiError::Denied(denied).problem();
        let (caller, reason) = (reader.caller().name(), problem.reason());
        state.metrics.access_denied(reason);
        tracing::info!(%caller, reason, "an event stream was ended: its caller is no longer allowed");
        let credential = reader.credential().map(|id| id.to_string());
        // If it cannot be recorded that is counted: the stream ends all the same.
        if let Ok(slot) = state.audit.reserve().await {
            slot.leave(&AuditRecord {
                timestamp: state.clock.wall(),
                id: Uuid::new_v4(),
                request_id: reader.request_id(),
                caller: caller.as_str(),
                credential: credential.as_deref(),
                method: "GET",
                client: reader.client(),
                route: PATH,
                org_id: None,
                sddc_id: None,
                decision: Decision::Deny,
                reason: Some(reason),
                status: problem.status().as_u16(),
            });
        }
    }

    /// Tells a caller who sees something else now the whole list again: what it was told before may
    /// hold what it may not see any longer. `None` if nothing can be shown.
    fn begin_anew(&mut self) -> Option<()> {
        let WatchedList { request, target, .. } = &mut self.viewer;
        request.visibility = request.reader.visibility();
        *target = request.all(target.what);
        let scope = &target.scope;
        let (inventory, requirement) = (&request.state.inventory, FreshnessRequirement::default());
        let served = inventory.kept(SddcListing::Current, scope, &requirement).ok()?;
        let view = &served.content;
        let (at, subject) = self.viewer.subject(view);
        let page = self.viewer.page(subject.clone(), view);
        self.pending.push_back(ResetEvent {}.event().into());
        self.pending.extend(sync(&page));
        let steps = &self.viewer.request.state.steps;
        self.state = steps.begin(subject, || self.viewer.seen(view));
        self.at = at;
        let now = self.viewer.freshness(served.age, self.viewer.is_partial(view));
        self.tell_freshness(now, Some(served.age));
        Some(())
    }

    /// Takes the step to what there is now.
    fn look(&mut self) {
        let WatchedList { request, target, .. } = &self.viewer;
        let inventory = &request.state.inventory;
        let requirement = FreshnessRequirement::default();
        let (age, is_partial) =
            match inventory.kept(SddcListing::Current, &target.scope, &requirement) {
                Ok(served) => {
                    self.step(&served.content);
                    (Some(served.age), self.viewer.is_partial(&served.content))
                }
                // Nothing can be shown: what was told stays.
                Err(_) => (inventory.age(List::Sddcs, &target.scope), true),
            };
        let now = self.viewer.freshness(age.unwrap_or(Duration::MAX), is_partial);
        self.tell_freshness(now, age);
    }

    fn step(&mut self, view: &ListSnapshot<SddcEntry>) {
        let (at, subject) = self.viewer.subject(view);
        if at == self.at {
            return;
        }
        let viewer = &self.viewer;
        let seen = || viewer.seen(view);
        let tag = || tag(&viewer.page(subject.clone(), view)).to_owned();
        let missing = at.missing.clone();
        let step = viewer.request.state.steps.step(&self.state, &subject, missing, seen, tag);
        self.state = step.to.clone();
        self.at = at;
        if !step.events.is_empty() {
            self.pending.push_back(step.events.clone());
        }
    }

    fn tell_freshness(&mut self, now: ToldFreshness, age: Option<Duration>) {
        if now == self.told {
            return;
        }
        self.told = now;
        let status = StatusEvent {
            age_s: age.map(|age| age.as_secs()),
            completeness: Completeness::of(now.is_partial),
        };
        self.pending.push_back(status.event().into());
    }
}

/// The whole list, in three pieces: its bytes are everybody's.
fn sync(page: &EncodedAnswer) -> [Bytes; 3] {
    let begin = format!("event: sync\nid: {}\ndata: ", tag(page));
    [begin.into(), page.identity().clone(), Bytes::from_static(b"\n\n")]
}

fn tag(page: &EncodedAnswer) -> &str {
    page.etag().to_str().expect("tags are visible ASCII")
}
