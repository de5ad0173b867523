//! The body of an answer, which tells the connection when it is done with.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::body::Body;
use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::io::Activity;
use crate::{in_flight::Permit, telemetry::Metrics};

/// A body that holds its request's permit until the connection has taken it whole or given it up,
/// and then marks the connection idle. What is still going out then has the write limit.
#[derive(Debug)]
pub struct AnswerBody {
    body: Body,
    activity: Arc<Activity>,
    _permit: Option<Permit>,
    /// Counts a watcher that is lost when its connection is cut.
    watched: Option<Metrics>,
}

impl AnswerBody {
    /// `watched` is for the body of an event stream.
    pub(super) fn new(
        body: Body,
        activity: Arc<Activity>,
        permit: Option<Permit>,
        watched: Option<Metrics>,
    ) -> Self {
        Self { body, activity, _permit: permit, watched }
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        if let Some(metrics) = self.watched.as_ref().filter(|_| self.activity.was_cut()) {
            metrics.watcher_dropped();
        }
        self.activity.idle();
    }
}
