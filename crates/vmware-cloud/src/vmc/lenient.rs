//! Reading what VMware really sends: a field of the wrong kind is odd, not fatal.
//!
//! A JSON text is read once, from left to right. Every wanted field that is no object or list is found as a
//! borrowed slice of that text and read on its own, so nothing in one field can spoil another: not a wrong kind, not a
//! number too large for any type, not a broken escape, not a key that is there twice (the last one
//! counts). Every other field is stepped over without being copied: that is where the secrets are.

use jiff::Timestamp;
use serde::de::IgnoredAny;
use serde_json::{Number, value::RawValue};

use super::cursor::{Cursor, NotJson};

/// A field of an upstream document: VMware's bindings call nearly all of them optional.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Lenient<T> {
    /// `null`, or not there at all.
    #[default]
    Absent,
    /// There, but nothing that can be read as a `T`. What it was is not kept.
    Odd,
    /// As it should be.
    Value(T),
}

impl<T> Lenient<T> {
    /// The value, if there is one; an odd field is counted and gives `None`.
    pub fn known(self, odd: &mut OddCount) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Absent => None,
            Self::Odd => {
                odd.fields += 1;
                None
            }
        }
    }
}

impl<T> Lenient<Vec<Lenient<T>>> {
    /// The readable elements of a list; what is no `T`, `null` included, is counted and left out.
    pub fn known_items(self, odd: &mut OddCount) -> Option<Vec<T>> {
        let mut read = |item| match item {
            Lenient::Value(value) => Some(value),
            Lenient::Absent | Lenient::Odd => {
                odd.fields += 1;
                None
            }
        };
        match self {
            Self::Value(items) => Some(items.into_iter().filter_map(&mut read).collect()),
            other => other.known(odd).map(|_| Vec::new()),
        }
    }
}

/// Reads one whole JSON text.
pub(crate) fn read<T: FromJson>(text: &str) -> Result<Lenient<T>, NotJson> {
    let mut cursor = Cursor::new(text);
    let value = T::read(&mut cursor)?;
    cursor.end().map(|()| value)
}

/// How much of what was read was not as it should be. Sums over as many documents as are read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OddCount {
    /// Documents with anything odd in them, those that could not be served at all included.
    pub documents: usize,
    /// Of these, the documents that could not be served: no object, without a usable id, there
    /// twice, or of another organization.
    pub skipped: usize,
    /// Of these, those that are no object or have no usable id.
    pub without_id: usize,
    /// Of these, those that say that they are another organization's.
    pub foreign: usize,
    /// Fields and list elements that are shown as `null` or left out because they were odd.
    pub fields: usize,
}

impl OddCount {
    /// Reads one document and counts it once, however much in it is odd. `None` skips it.
    pub fn document<T>(&mut self, read: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        let before = *self;
        let document = read(self);
        if document.is_none() {
            self.skipped += 1;
            self.without_id += usize::from(self.foreign == before.foreign);
        }
        if document.is_none() || self.fields > before.fields {
            self.documents += 1;
        }
        document
    }
}

/// Steps over a value where an object or a list would belong.
fn other<T>(cursor: &mut Cursor<'_>) -> Result<Lenient<T>, NotJson> {
    let is_null = cursor.value::<&RawValue>()?.get() == "null";
    Ok(if is_null { Lenient::Absent } else { Lenient::Odd })
}

/// What can be read from one JSON value.
pub(crate) trait FromJson: Sized {
    /// Reads the value at the cursor, and goes on behind it.
    fn read(cursor: &mut Cursor<'_>) -> Result<Lenient<Self>, NotJson>;
}

/// What is neither an object nor a list.
trait Scalar: Sized {
    /// `text` is one JSON value, and not `null`.
    fn from_json(text: &str) -> Option<Self>;
}

impl<T: Scalar> FromJson for T {
    fn read(cursor: &mut Cursor<'_>) -> Result<Lenient<Self>, NotJson> {
        Ok(match cursor.value::<&RawValue>()?.get() {
            "null" => Lenient::Absent,
            text => T::from_json(text).map_or(Lenient::Odd, Lenient::Value),
        })
    }
}

impl Scalar for Box<str> {
    fn from_json(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A number, or one in a string: older and neighbouring services write them so.
fn number(text: &str) -> Option<Number> {
    if text.starts_with('"') {
        let inner: String = serde_json::from_str(text).ok()?;
        return serde_json::from_str(&inner).ok();
    }
    serde_json::from_str(text).ok()
}

impl Scalar for i64 {
    fn from_json(text: &str) -> Option<Self> {
        /// 2⁵³: above it a float no longer tells one integer from the next.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let number = number(text)?;
        number.as_i64().or_else(|| {
            let float = number.as_f64().filter(|x| x.fract() == 0.0 && x.abs() <= EXACT)?;
            #[expect(clippy::cast_possible_truncation, reason = "whole and within ±2⁵³")]
            let whole = float as i64;
            Some(whole)
        })
    }
}

impl Scalar for u64 {
    fn from_json(text: &str) -> Option<Self> {
        i64::from_json(text)?.try_into().ok()
    }
}

impl Scalar for f64 {
    fn from_json(text: &str) -> Option<Self> {
        number(text)?.as_f64().filter(|float| float.is_finite())
    }
}

impl Scalar for bool {
    fn from_json(text: &str) -> Option<Self> {
        match text {
            "true" | "\"true\"" => Some(true),
            "false" | "\"false\"" => Some(false),
            _ => None,
        }
    }
}

impl Scalar for Timestamp {
    /// An ISO 8601 time with an offset, in a year that RFC 3339 can write.
    fn from_json(text: &str) -> Option<Self> {
        let text: String = serde_json::from_str(text).ok()?;
        text.parse().ok().filter(|time: &Timestamp| time.as_second() >= YEAR_ZERO)
    }
}

/// The first second of the year 0000: earlier ones have no RFC 3339 form.
const YEAR_ZERO: i64 = -62_167_219_200;

impl<T: FromJson> FromJson for Vec<Lenient<T>> {
    fn read(cursor: &mut Cursor<'_>) -> Result<Lenient<Self>, NotJson> {
        if !cursor.take(b'[') {
            return other(cursor);
        }
        let (mut items, mut is_first) = (Self::new(), true);
        while cursor.next_element(b']', &mut is_first)? {
            items.push(T::read(cursor)?);
        }
        Ok(Lenient::Value(items))
    }
}

/// A struct whose fields are read from an object's members.
pub(crate) trait Members: Default {
    /// Reads the member at the cursor, if it is a wanted one.
    fn member(&mut self, key: &str, cursor: &mut Cursor<'_>) -> Result<bool, NotJson>;
}

/// Reads an object.
pub(crate) fn object<T: Members>(cursor: &mut Cursor<'_>) -> Result<Lenient<T>, NotJson> {
    if !cursor.take(b'{') {
        return other(cursor);
    }
    let (mut members, mut is_first) = (T::default(), true);
    while cursor.next_element(b'}', &mut is_first)? {
        let key = cursor.key()?;
        if !members.member(&key, cursor)? {
            cursor.value::<IgnoredAny>()?;
        }
    }
    Ok(Lenient::Value(members))
}

/// Declares upstream objects by their wanted members: JSON key, field, type.
macro_rules! wanted {
    ($($(#[$doc:meta])* $vis:vis struct $name:ident { $($key:literal $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq)]
        $vis struct $name {
            $(#[doc = concat!("`", $key, "`")] pub $field: $crate::vmc::lenient::Lenient<$type>,)*
        }

        impl $crate::vmc::lenient::Members for $name {
            fn member(
                &mut self,
                key: &str,
                cursor: &mut $crate::vmc::cursor::Cursor<'_>,
            ) -> Result<bool, $crate::vmc::cursor::NotJson> {
                match key {
                    $($key => self.$field = $crate::vmc::lenient::FromJson::read(cursor)?,)*
                    _ => return Ok(false),
                }
                Ok(true)
            }
        }

        impl $crate::vmc::lenient::FromJson for $name {
            fn read(
                cursor: &mut $crate::vmc::cursor::Cursor<'_>,
            ) -> Result<$crate::vmc::lenient::Lenient<Self>, $crate::vmc::cursor::NotJson> {
                $crate::vmc::lenient::object(cursor)
            }
        }
    )*};
}
pub(crate) use wanted;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    wanted! {
        /// An object to try things on.
        struct Thing {
            "text" text: Box<str>,
            "count" count: u64,
            "inner" inner: Thing2,
        }
        /// An object inside it.
        struct Thing2 {
            "net-stack" net_stack: bool,
        }
    }

    fn thing(text: &str) -> Thing {
        let Ok(Lenient::Value(thing)) = read(text) else { panic!("not a thing: {text}") };
        thing
    }

    #[test]
    fn a_number_may_come_as_a_string_or_as_a_float_without_fraction() {
        for text in ["12", "12.0", "\"12\"", "1.2e1", "\"12.0\""] {
            assert_eq!(i64::from_json(text), Some(12), "{text}");
            assert_eq!(u64::from_json(text), Some(12), "{text}");
        }
        assert_eq!(f64::from_json("\"742.4\""), Some(742.4));
        assert_eq!(i64::from_json("-3"), Some(-3));
        assert_eq!(u64::from_json("-3"), None);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in
            ["12.5", "\"\"", "\"twelve\"", "\"inf\"", "\"NaN\"", "\" \"", "1e999", "[]", "{}"]
        {
            assert_eq!(i64::from_json(text), None, "{text}");
        }
        for text in ["\"inf\"", "\"NaN\"", "1e999", "\"1e999\"", "\"null\"", "true", "[1]"] {
            assert_eq!(f64::from_json(text), None, "{text}");
        }
        assert_eq!(i64::from_json("18446744073709551615"), None);
        assert_eq!(i64::from_json("1e18"), None, "above 2⁵³ a float is not exact");
    }

    #[test]
    fn a_string_is_only_ever_a_string() {
        assert_eq!(<Box<str>>::from_json("\"12\"").as_deref(), Some("12"));
        for text in ["12", "true", "[]", "{}", r#""\ud800""#] {
            assert_eq!(<Box<str>>::from_json(text), None, "{text}");
        }
    }

    #[test]
    fn a_time_has_an_offset_and_is_kept_in_utc() {
        let utc = |text: &str| Timestamp::from_json(text).map(|time| time.to_string());
        assert_eq!(
            utc("\"2024-11-05T09:12:31.000705Z\"").as_deref(),
            Some("2024-11-05T09:12:31.000705Z")
        );
        assert_eq!(utc("\"2024-11-05T10:12:31+01:00\"").as_deref(), Some("2024-11-05T09:12:31Z"));
        for text in [
            "\"2024-11-05T09:12:31\"",
            "\"soon\"",
            "\"\"",
            "1730797951000",
            "\"-000001-01-01T00:00:00Z\"",
        ] {
            assert_eq!(utc(text), None, "{text}");
        }
        assert_eq!(utc("\"0000-01-01T00:00:00Z\"").as_deref(), Some("0000-01-01T00:00:00Z"));
    }

    #[test]
    fn null_and_missing_are_absent_and_the_wrong_kind_is_odd() {
        assert_eq!(thing("{}"), Thing::default());
        assert_eq!(thing(r#"{"text": null, "count": null, "inner": null}"#), Thing::default());
        let odd = thing(r#"{"text": 1, "count": {}, "inner": [], "else": {"deep": [1e999]}}"#);
        assert_eq!(odd, Thing { text: Lenient::Odd, count: Lenient::Odd, inner: Lenient::Odd });
    }

    #[test]
    fn one_broken_field_spoils_no_other() {
        for broken in ["1e999", r#""\ud800""#, r#"{"a": 1e999}"#, &"[".repeat(500)] {
            let broken = broken.to_owned() + &"]".repeat(broken.matches('[').count());
            let text = format!(r#"{{"inner": {broken}, "x": {broken}, "count": 4}}"#);
            assert_eq!(thing(&text).count, Lenient::Value(4), "{text}");
        }
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_counts() {
        let thing = thing(r#"{"count": 1, "inner": {"net-stack": true}, "count": 2, "inner": {}}"#);
        assert_eq!(thing.count, Lenient::Value(2));
        assert_eq!(thing.inner, Lenient::Value(Thing2::default()));
    }

    #[test]
    fn a_key_may_be_written_with_escapes() {
        assert_eq!(thing(r#"{"te\u0078t": "a"}"#).text, Lenient::Value("a".into()));
    }

    #[test]
    fn a_key_with_a_broken_escape_spoils_no_other() {
        let thing =
            thing(r#"{"\ud800": 1, "count": 4, "inner": {"\udc00": 1, "net-stack": true}}"#);
        assert_eq!(thing.count, Lenient::Value(4));
        assert_eq!(thing.inner, Lenient::Value(Thing2 { net_stack: Lenient::Value(true) }));
    }

    /// Pieces of JSON in any order, some of which make a text.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"text\"",
            "\"count\"",
            "\"inner\"",
            "\"net-stack\"",
            "\"a\\u0022\"",
            "\"\\ud800\"",
            "1",
            "-0.5e3",
            "1e999",
            "01",
            "null",
            "true",
            "nul",
            " ",
            "\n",
            "\"",
            "\\",
            "\u{1}",
        ]);
        prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
    }

    fn json() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "1",
            "\"x\"",
            "null",
            "true",
            "1e999",
            "\"\\ud800\"",
            "{}",
            "[]",
        ]);
        let key =
            prop::sample::select(vec!["text", "count", "inner", "net-stack", "else", "\\ud800"]);
        leaf.prop_map(str::to_owned).prop_recursive(4, 32, 5, move |inner| {
            let member = (key.clone(), inner.clone())
                .prop_map(|(key, value)| format!("\"{key}\" : {value}"));
            prop_oneof![
                prop::collection::vec(inner, 0..4)
                    .prop_map(|items| format!("[{}]", items.join(" ,"))),
                prop::collection::vec(member, 0..5)
                    .prop_map(|all| format!("{{ {}\n}}", all.join(","))),
            ]
        })
    }

    proptest! {
        /// As serde_json decides it, whatever is wanted of the text.
        #[test]
        fn a_text_is_read_exactly_if_it_is_json(text in prop_oneof![pieces(), json()], cut in any::<prop::sample::Index>()) {
            let cut = &text[..cut.index(text.len() + 1)];
            for text in [&text, cut] {
                let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
                prop_assert_eq!(read::<Thing>(text).is_ok(), is_json, "{}", text);
                prop_assert_eq!(read::<Vec<Lenient<Thing>>>(text).is_ok(), is_json, "{}", text);
            }
        }
    }

    #[test]
    fn odd_list_elements_are_left_out_and_counted() {
        let mut odd = OddCount::default();
        let list: Lenient<Vec<Lenient<i64>>> = read(r#"[1, null, "x", 2]"#).unwrap();
        assert_eq!(list.known_items(&mut odd), Some(vec![1, 2]));
        assert_eq!(odd.fields, 2);
        let none: Lenient<Vec<Lenient<i64>>> = read("{}").unwrap();
        assert_eq!(none.known_items(&mut odd), None);
        assert_eq!(odd.fields, 3);
        assert_eq!(Lenient::<Vec<Lenient<i64>>>::Absent.known_items(&mut odd), None);
        assert_eq!(odd.fields, 3);
    }
}
