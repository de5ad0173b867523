//! Enums whose variants each have one fixed text.

/// Declares an enum and the text of each variant: a metric label, a word in a log line or in the
/// configuration. `ALL` has the variants in their order, and `as_str` gives a variant's text. An
/// enum that is declared as `Name: Display` is displayed by it too.
///
/// ```
/// base::closed_set! {
///     /// What becomes of a call.
///     #[derive(Debug, Clone, Copy, PartialEq, Eq)]
///     pub enum Outcome: Display {
///         /// It was answered.
///         Answered = "answered",
///         /// It was not.
///         Failed = "failed",
///     }
/// }
///
/// assert_eq!(Outcome::ALL.map(Outcome::as_str), ["answered", "failed"]);
/// assert_eq!(Outcome::Failed.to_string(), "failed");
/// ```
#[macro_export]
macro_rules! closed_set {
    (
        $(#[$attribute:meta])*
        $visibility:vis enum $name:ident $(: $display:ident)? {
            $($(#[$variant_attribute:meta])* $variant:ident = $text:literal,)+
        }
    ) => {
        $(#[$attribute])*
        $visibility enum $name {
            $($(#[$variant_attribute])* $variant,)+
        }

        #[allow(dead_code, reason = "not every set is listed")]
        impl $name {
            /// Every one, in the order of their declaration.
            $visibility const ALL: [Self; [$($text),+].len()] = [$(Self::$variant),+];

            /// Its text.
            $visibility const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }

        $(
            impl ::std::fmt::$display for $name {
                fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                    f.write_str(self.as_str())
                }
            }
        )?
    };
}
