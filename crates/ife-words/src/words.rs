//! Enums whose values are words.

/// Declares an enum without data by its values and their names, once: `ALL`, `as_str` and `Display`
/// follow from the list.
///
/// ```
/// ife_words::words! {
///     /// A side of a call.
///     #[derive(Debug, Clone, Copy, PartialEq)]
///     pub enum Side {
///         /// The one who calls.
///         Caller = "caller",
///         /// The one who is called.
///         Callee = "callee",
///     }
/// }
/// assert_eq!(Side::ALL, [Side::Caller, Side::Callee]);
/// assert_eq!(Side::Callee.to_string(), "callee");
/// assert_eq!(Side::of("caller"), Some(Side::Caller));
/// ```
#[macro_export]
macro_rules! words {
    (
        $(#[$meta:meta])*
        $vis:vis enum $name:ident {
            $($(#[$doc:meta])* $value:ident $(($number:literal))? = $word:literal,)+
        }
    ) => {
        $(#[$meta])*
        $vis enum $name {
            $($(#[$doc])* $value $(= $number)?,)+
        }

        #[allow(dead_code, reason = "not every list of words is asked for all of it")]
        impl $name {
            /// Every value, in order.
            $vis const ALL: [Self; [$($word),+].len()] = [$(Self::$value),+];

            /// Returns the word for logs, labels and the API.
            #[must_use]
            $vis const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$value => $word,)+
                }
            }

            /// Returns the value of exactly this word.
            #[must_use]
            $vis fn of(word: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|value| value.as_str() == word)
            }
        }

        impl ::core::fmt::Display for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
