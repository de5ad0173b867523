//! A field's value in one document.

use std::{borrow::Cow, fmt, sync::Arc};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    ids::{OrgId, SddcId, TaskId},
    inventory::model::{Capacity, Cluster, Host},
};

/// A field's value in one document, borrowed from it. Serializes as the field itself.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(untagged)]
pub(in crate::api) enum Value<'a> {
    Null,
    Text(&'a str),
    Number(u64),
    Flag(bool),
    Time(Timestamp),
    Texts(&'a [Box<str>]),
    Capacity(&'a Capacity),
    Clusters(&'a [Cluster]),
    Hosts(&'a [Host]),
}

impl<'a> Value<'a> {
    /// What can be compared of it: `None` for null, lists and objects.
    pub(in crate::api) fn scalar(self) -> Option<Scalar<'a>> {
        match self {
            Self::Text(text) => Some(Scalar::Text(text.into())),
            Self::Number(number) => Some(Scalar::Number(number)),
            Self::Flag(flag) => Some(Scalar::Flag(flag)),
            Self::Time(time) => Some(Scalar::Time(time)),
            Self::Null
            | Self::Texts(_)
            | Self::Capacity(_)
            | Self::Clusters(_)
            | Self::Hosts(_) => None,
        }
    }

    /// Whether it is this value, or a list that holds it.
    pub(in crate::api) fn is(self, wanted: &Scalar<'_>) -> bool {
        match (self, wanted) {
            (Self::Texts(texts), Scalar::Text(wanted)) => {
                texts.iter().any(|text| **text == **wanted)
            }
            (value, wanted) => value.scalar().is_some_and(|scalar| scalar == *wanted),
        }
    }

    /// Its texts: one, those of a list, or none.
    pub(in crate::api) fn texts(self) -> impl Iterator<Item = &'a str> {
        let (one, many) = match self {
            Self::Text(text) => (Some(text), &[][..]),
            Self::Texts(texts) => (None, texts),
            _ => (None, &[][..]),
        };
        one.into_iter().chain(many.iter().map(|text| &**text))
    }
}

/// A value that can be looked for and sorted by. Values of one field are of one variant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::api) enum Scalar<'a> {
    Text(Cow<'a, str>),
    Number(u64),
    Flag(bool),
    Time(Timestamp),
}

impl fmt::Display for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Flag(flag) => flag.fmt(f),
            Self::Time(time) => time.fmt(f),
        }
    }
}

impl<'a, T> From<&'a Option<T>> for Value<'a>
where
    Value<'a>: From<&'a T>,
{
    fn from(value: &'a Option<T>) -> Self {
        value.as_ref().map_or(Self::Null, <Self as From<&'a T>>::from)
    }
}

/// How a document's type becomes a [`Value`].
macro_rules! value {
    ($($type:ty: $it:ident => $value:expr;)*) => {$(
        impl<'a> From<&'a $type> for Value<'a> {
            fn from($it: &'a $type) -> Self {
                $value
            }
        }
    )*};
}

value! {
    Box<str>: it => Self::Text(it);
    Arc<str>: it => Self::Text(it);
    OrgId: it => Self::Text(it.as_str());
    SddcId: it => Self::Text(it.as_str());
    TaskId: it => Self::Text(it.as_str());
    u32: it => Self::Number(u64::from(*it));
    bool: it => Self::Flag(*it);
    Timestamp: it => Self::Time(*it);
    Vec<Box<str>>: it => Self::Texts(it);
    Capacity: it => Self::Capacity(it);
    Vec<Cluster>: it => Self::Clusters(it);
    Vec<Host>: it => Self::Hosts(it);
}
